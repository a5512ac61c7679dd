"""Are codes still readable when the codec has moved on? `python benchmarks/images/age.py`, some minutes on one core.

The codec trains online as in a run, on 56 x 56 pixels, while what it sees changes twice: the plain T-Maze, the crowded
one, then a MiniGrid room with doors of all colours. Codes of every chunk are kept, and at the end they are decoded:

- newest: by the newest version of the codec, whoever wrote them;
- rehearsal: the same, but training also asks the decoder to read what was written, and read well, as it was read then;
- re-encoded: whenever a version is published, all codes are decoded by the one before and encoded anew;
- versions: by the version that wrote them, of which the last 32 are kept (what the agent does), or only the last 8.

Each row tells, for codes that could be read without a fault when they were written, the share that still can be (within
the tolerance of then), by age in chunks; the codec learns for 20 updates in each chunk, and rests where it reads all.
Columns are the same codes for all ways but rehearsal, whose codec is another.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
from runs import write_page

from reinstate.envs.adapt import make_vector
from reinstate.memory.bits import numbers_to_bits
from reinstate.memory.codec import BATCH, VERSIONS, Codec, build_autoencoder
from reinstate.memory.frame_ring import FrameRing
from reinstate.memory.image_codec import ImageCoder, patch_distance
from reinstate.memory.options import MemoryOptions
from reinstate.memory.patches import distinct_rows

HERE = Path(__file__).parent
ENVS, STEPS, WRITTEN = 64, 16, 32  # of a chunk; distinct frames of it that are kept
PIXELS = {"observation": "pixels"}
STAGES = [
    ("Reinstate/GridTMazePassive-v0", PIXELS | {"length": 20}),
    ("Reinstate/GridTMazeCrowdedPassive-v0", PIXELS | {"length": 20}),
    ("MiniGrid-KeyCorridorS3R3-v0", PIXELS),
]
KEPT = {"8 versions": 8, "32 versions": 32}
WAYS = ("newest", "rehearsal", "re-encoded", *KEPT)


@dataclass(frozen=True)
class Sizes:
    """Measure how readable codes stay."""

    chunks: int = 30
    """Chunks of each stage."""
    code_bits: int = MemoryOptions.code_bits
    """Bits of a code."""
    ages: tuple[int, ...] = (0, 10, 30, 60)
    """Edges of the columns, in chunks."""
    seeds: tuple[int, ...] = (1, 2, 3)
    """Runs whose codes are counted together."""


@dataclass
class Written:
    """What was kept: codes, and what only this script knows of them."""

    frames: list[Tensor] = field(default_factory=list)
    codes: list[Tensor] = field(default_factory=list)  # re-encoded where that is the way
    version: list[int] = field(default_factory=list)
    tolerance: list[float] = field(default_factory=list)  # of the coder that wrote
    good: list[Tensor] = field(default_factory=list)  # read without a fault when written


class RehearsingCodec(Codec):
    """Trains its decoder on old codes, too: each number that a patch was ever written as means what it first meant."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.numbers, self.meaning = torch.zeros(0, dtype=torch.int64), torch.zeros(0, self.autoencoder.grid.size)

    def remember(self, codes: Tensor) -> None:
        coder: Any = self.current
        for number in coder._numbers(codes).unique():
            if not bool((self.numbers == number).any()):
                self.numbers = torch.cat([self.numbers, number[None]])
                self.meaning = torch.cat([self.meaning, coder._patches(number[None]).float() / 255.0])

    def learn(self, updates: int, generator: torch.Generator) -> float:
        net: Any = self.autoencoder
        loss_of = net.loss

        def loss(batch: Tensor) -> Tensor:
            if len(self.numbers) == 0:
                return loss_of(batch)
            bits = numbers_to_bits(self.numbers, net.bits_per_patch) * 2.0 - 1.0
            return loss_of(batch) + ((net.decoder(bits) - self.meaning).square().mean(dim=1) + 1e-5).sqrt().mean()

        net.loss = loss
        try:
            return super().learn(updates, generator)
        finally:
            del net.loss


def chunks_of_frames(stage: int, seed: int, count: int) -> Any:
    """`count` times the frames [n, 56, 56, 3] of a random policy."""
    env, kwargs = STAGES[stage]
    envs, rng = make_vector(env, ENVS, kwargs), np.random.default_rng(seed)
    now = envs.reset(seed=list(range(1000 * seed, 1000 * seed + ENVS)))[0].copy()
    for _ in range(count):
        seen = []
        for _ in range(STEPS):
            seen.append(now)
            now = envs.step(rng.integers(0, envs.single_action_space.n, ENVS))[0].copy()
        yield torch.from_numpy(np.concatenate(seen))
    envs.close()


def faithful(coder: ImageCoder, frames: Tensor, decoded: Tensor, tolerance: float) -> Tensor:
    """Where every patch of a frame [n] came back to within the tolerance."""
    distance = patch_distance(coder.net.grid.cut(frames), coder.net.grid.cut(decoded))
    return (distance <= tolerance).view(len(frames), -1).all(dim=1)


def live(way: str, o: Sizes, seed: int) -> tuple[Codec, Written]:
    """The codec's life, and what it wrote."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    kind = RehearsingCodec if way == "rehearsal" else Codec
    shape = (56, 56, 3)
    ring = FrameRing(MemoryOptions().codec_ring, torch.zeros(shape, dtype=torch.uint8))
    codec: Any = kind(build_autoencoder("image", shape, (), o.code_bits), ring, KEPT.get(way, VERSIONS))
    written = Written()
    for stage in range(len(STAGES)):
        for frames in chunks_of_frames(stage, seed, o.chunks):
            fresh = distinct_rows(frames.flatten(1))[0][:WRITTEN].view(-1, *shape)
            coder: Any = codec.current
            codes = coder.encode(fresh)
            written.frames.append(fresh)
            written.codes.append(codes)
            written.version.append(codec.version)
            written.tolerance.append(float(coder.net.tolerance))
            written.good.append(faithful(coder, fresh, coder.decode(codes), written.tolerance[-1]))
            if way == "rehearsal":
                codec.remember(codes[written.good[-1]])
            codec.ring.add(frames)
            if not bool((coder.fidelity(frames[:BATCH], coder.encode(frames[:BATCH])) == 1).all()):  # else it rests
                codec.learn(MemoryOptions().codec_updates, generator)
            if way == "re-encoded" and codec.version != written.version[-1]:
                written.codes = [codec.current.encode(coder.decode(c)) for c in written.codes]
                written.version = [codec.version] * len(written.codes)
    return codec, written


def still_read(way: str, o: Sizes, seed: int) -> list[tuple[int, int]]:
    """For each column, how many of the codes that were good can still be read, and how many there are."""
    codec, written = live(way, o, seed)
    newest: Any = codec.current
    counts = [(0, 0)] * (len(o.ages))
    ages = range(len(written.codes), 0, -1)
    for age, frames, codes, version, tolerance, good in zip(ages, *vars(written).values(), strict=True):
        if way in KEPT and not bool(codec.readable(torch.tensor(version))):
            still = torch.zeros_like(good)
        else:
            coder: Any = codec.coders[version] if way in KEPT else newest
            still = faithful(newest, frames, coder.decode(codes), tolerance) & good
        column = int(np.searchsorted(o.ages, age, side="right")) - 1
        read, all_good = counts[column]
        counts[column] = (read + int(still.sum()), all_good + int(good.sum()))
    return counts


def main(o: Sizes) -> list[str]:
    torch.set_num_threads(1)
    edges = [f"{low:,} to {high - 1:,}" for low, high in zip(o.ages[:-1], o.ages[1:], strict=True)]
    head = ["way", *edges, f"{o.ages[-1]:,} and more"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    print(*lines, sep="\n", flush=True)
    for way in WAYS:
        runs = [still_read(way, o, seed) for seed in o.seeds]
        cells = []
        for column in zip(*runs, strict=True):
            read, good = (sum(x) for x in zip(*column, strict=True))
            cells.append(f"{read / good:.3f} of {good:,}" if good else "")
        lines.append("| " + " | ".join([way, *cells]) + " |")
        print(lines[-1], flush=True)
    return lines


if __name__ == "__main__":
    write_page(HERE / "age.md", "Codes over age", __doc__, "\n".join(main(tyro.cli(Sizes))))
