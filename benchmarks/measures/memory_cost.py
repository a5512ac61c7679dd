"""Memory cost: what remembering costs the learner.

An episode of L steps is remembered step by step, all of them different; then one decision reads all that is remembered,
and its gradient has to reach the embedding network. Four ways:

- all activations: the forward pass of every step is kept until then (full back-propagation);
- checkpointing: observations are kept as bytes, the forward pass of all is made again (torch.utils.checkpoint);
- stored observations: observations and embeddings are kept; the pass of the K with the largest gradients is made again;
- recalculation: codes and embeddings are kept (memory/slots.py), and K are reinstated (memory/recalculation.py).

Each figure is of a process of its own: the peak of resident memory beyond what was there before the first step, and the
seconds from the loss to the gradients of the parameters. A small update comes before, as the first one alone imports
and allocates much (the rows in the repository were made without it, and are 2 to 12 MB larger). The embedding network
is a small convolutional one for images, and the agent's own for symbols. Codes come from an untrained codec: what they
say does not matter here. Linux only.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from benchmarks.rows import Row, in_a_process, markdown
from reinstate.agents.networks import GRID_CATEGORIES, TileEncoder
from reinstate.memory.codec.codec import Codec, build_codec
from reinstate.memory.options import MemoryOptions
from reinstate.memory.read import MemoryRead
from reinstate.memory.recalculation import Direct, images_at_a_time
from reinstate.memory.slots import MemoryState, empty, write

WAYS = ("all activations", "checkpointing", "stored observations", "recalculation")
SIZES = {"7x7x3 symbols": (7, 7, 3), "5x5x3": (5, 5, 3), "56x56x3": (56, 56, 3), "84x84x3": (84, 84, 3)}
BITS = {"7x7x3 symbols": 294, "5x5x3": 800, "56x56x3": 1_176, "84x84x3": 1_176}  # 147 bytes: a slot of 256
WIDTH, HEADS, STATE, K = 16, 8, 64, 1024
Draw = Callable[[], Tensor]
TOO_MUCH = 10e9  # bytes: where the last shorter episode makes one expect more, it is not run
LENGTHS = (100, 1_000, 10_000, 100_000)  # steps of an episode, at BIG
MIDDLE = 10_000  # steps of an episode, at the other sizes
BIG = "56x56x3"


def cells(known: list[Row]) -> Iterable[Row]:
    """All but those that would take too much memory."""
    found = [(way, BIG, length) for way in WAYS for length in LENGTHS]
    for way, size, length in found + [(way, size, MIDDLE) for way in WAYS for size in SIZES if size != BIG]:
        shorter = [r for r in known if (r["way"], r["size"]) == (way, size) and r["length"] < length]
        longest = max(shorter, key=lambda r: r["length"], default=None)
        if longest is None or longest["bytes"] * length / longest["length"] <= TOO_MUCH:
            yield {"way": way, "size": size, "length": length}


def rows(cell: Row) -> Iterator[Row]:
    yield cell | in_a_process("benchmarks.measures.memory_cost", cell)


def table(rows: list[Row]) -> str:
    known = {(r["way"], r["size"], r["length"]): r for r in rows}

    def line(way: str, columns: list[tuple[str, int]]) -> list[str]:
        found = [known.get((way, *column)) for column in columns]
        return [way, *("-" if r is None else f"{r['bytes'] / 1e6:,.1f} MB, {r['seconds']:.2f} s" for r in found)]

    by_length = [line(way, [(BIG, length) for length in LENGTHS]) for way in WAYS]
    by_size = [line(way, [(size, MIDDLE) for size in SIZES]) for way in WAYS]
    return (
        f"An episode at {BIG}, by its length in steps (-: more than 10 GB are to be expected, not run):\n\n"
        + markdown(["way", *(f"{length:,}" for length in LENGTHS)], by_length)
        + f"\n{MIDDLE:,} steps, by the size of an observation:\n\n"
        + markdown(["way", *SIZES], by_size)
    )


class Convolutions(nn.Module):
    """A small convolutional encoder as the field uses them: uint8 [n, H, W, 3] -> [n, WIDTH]."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        small = min(shape[:2]) < 36
        strides = (1, 1, 1) if small else (4, 2, 1)
        kernels = (2, 2, 2) if small else (8, 4, 3)
        layers: list[nn.Module] = []
        for inputs, outputs, kernel, stride in zip((3, 16, 32), (16, 32, 32), kernels, strides, strict=True):
            layers += [nn.Conv2d(inputs, outputs, kernel, stride), nn.ReLU()]
        self.features = nn.Sequential(*layers, nn.Flatten())
        found = self.features(torch.zeros(1, 3, *shape[:2])).shape[1]
        self.head = nn.Linear(found, WIDTH)

    def forward(self, observation: Tensor) -> Tensor:
        embedding: Tensor = self.head(self.features(observation.permute(0, 3, 1, 2).float() / 255.0))
        return embedding


def embedding_network(size: str) -> nn.Module:
    shape = SIZES[size]
    return TileEncoder(shape, WIDTH) if "symbols" in size else Convolutions(shape)


def observations(size: str, length: int) -> list[Draw]:
    """Parts of an episode [n, H, W, 3] uint8, drawn when they are called, always the same."""
    shape, most = SIZES[size], min(GRID_CATEGORIES) if "symbols" in size else 256
    together = images_at_a_time(int(torch.Size(shape).numel()))

    def draw(start: int) -> Tensor:
        g = torch.Generator().manual_seed(start)
        return torch.randint(0, most, (min(together, length - start), *shape), generator=g, dtype=torch.uint8)

    return [partial(draw, start) for start in range(0, length, together)]


def loss_of(read: MemoryRead, state: Tensor, slots: Tensor) -> Tensor:
    """Any loss of one decision that reads all slots [L, WIDTH]."""
    found: Tensor = read(state, slots[None], torch.ones(1, len(slots), dtype=torch.bool))[0]
    return found.square().sum()


def all_activations(embed: nn.Module, parts: list[Draw], read: MemoryRead, state: Tensor) -> float:
    kept = [embed(draw()) for draw in parts]
    began = time.perf_counter()
    loss_of(read, state, torch.cat(kept)).backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - began


def checkpointing(embed: nn.Module, parts: list[Draw], read: MemoryRead, state: Tensor) -> float:
    kept = [draw() for draw in parts]
    slots = [checkpoint(embed, frames, use_reentrant=False) for frames in kept]
    began = time.perf_counter()
    loss_of(read, state, torch.cat(slots)).backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - began


class Stored(Direct):
    """Direct, through observations that are kept, part by part, in the order of the slots."""

    def __init__(self, codec: Codec, embed: nn.Module, options: MemoryOptions) -> None:
        super().__init__(codec, embed, options)
        self.parts: list[Tensor] = []

    def observations(self, memory: MemoryState, index: Tensor) -> Tensor:
        together = len(self.parts[0])  # all parts but the last have as many
        return torch.stack([self.parts[i // together][i % together] for i in index.tolist()])


def with_memory(embed: nn.Module, parts: list[Draw], read: MemoryRead, state: Tensor, way: Direct) -> float:
    """Recalculation, or stored observations."""
    memory = empty(1, len(read.address), WIDTH, 0 if isinstance(way, Stored) else way.codec.code_bytes)
    at = 0
    with torch.no_grad():
        for draw in parts:
            frames = draw()
            if isinstance(way, Stored):
                way.parts.append(frames)
                code = {}
            else:
                code = {"code": way.codec.current.encode(frames)}
            place = torch.arange(at, at + len(frames))
            # The hash says that all are distinct, though an untrained codec writes the same code for many.
            write(memory, torch.zeros_like(place), place, embedding=embed(frames), code_hash=place, **code)
            at += len(frames)
    began = time.perf_counter()
    leaves = way.older(memory)
    loss_of(read, state, leaves[0]).backward()  # type: ignore[no-untyped-call]
    assert leaves.grad is not None
    way.send(memory, leaves.grad)
    return time.perf_counter() - began


def one_update(way: str, size: str, length: int) -> dict[str, float]:
    """The cell's figures, measured in this process."""
    torch.set_num_threads(1)
    prepared(way, size, 2)()  # what the first update alone imports and allocates
    work = prepared(way, size, length)
    before = reset_peak()
    seconds = work()
    return {"bytes": peak() - before, "seconds": seconds}


def prepared(way: str, size: str, length: int) -> Callable[[], float]:
    """An update that can begin."""
    torch.manual_seed(0)
    embed, parts, read = embedding_network(size), observations(size, length), MemoryRead(STATE, WIDTH, HEADS, length)
    state, kind = torch.randn(1, STATE), "grid" if "symbols" in size else "image"
    if way in ("all activations", "checkpointing"):
        return partial(all_activations if way == "all activations" else checkpointing, embed, parts, read, state)
    codec = build_codec(kind, SIZES[size], GRID_CATEGORIES, BITS[size])
    mode = Stored if way == "stored observations" else Direct
    options = MemoryOptions(recalculated_codes=K, min_fidelity=0.0)
    return partial(with_memory, embed, parts, read, state, mode(codec, embed, options))


def reset_peak() -> int:
    """Forgets the most resident memory so far; returns what is resident now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def peak() -> int:
    """The most resident memory since it was last forgotten, in bytes."""
    return status("VmHWM")


def status(key: str) -> int:
    (line,) = (text for text in Path("/proc/self/status").read_text().splitlines() if text.startswith(key + ":"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(one_update(**json.loads(sys.argv[1]))))
