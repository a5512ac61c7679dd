"""Codec retention: can codes still be read when the codec has learnt further?

The codec trains online as in a run, on 56 x 56 pixels, while what it sees changes twice: the plain T-Maze, the crowded
one, then a MiniGrid room with doors of all colours. Codes of every rollout are kept, and at the end they are decoded:

- newest: by the newest version of the codec;
- rehearsal: the same, but the decoder is also trained to decode the codes that were written, and could be read, as they
  were decoded then;
- re-encoded: whenever a version is published, all codes are decoded by the one before and encoded again;
- versions: by the version that wrote them, of which the last 32 are kept (what the agent does), or only the last 8.

Each row has, of the codes that could be decoded without a fault when they were written, the share that still can be
(within the tolerance of then), by age in rollouts; the codec learns for 20 updates in each rollout, and rests where it
reads all. Columns are the same codes for all ways but rehearsal, whose codec is another. Three seeds are counted
together. Some minutes on one core.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.measures.codec import random_play
from benchmarks.rows import Row, markdown
from reinstate.memory.codec.bits import numbers_to_bits
from reinstate.memory.codec.codec import VERSIONS, Codec, default_bits
from reinstate.memory.codec.frames import FrameBuffer
from reinstate.memory.codec.image import ImageAutoencoder, ImageCoder, patch_distance
from reinstate.memory.codec.patches import PatchGrid
from reinstate.memory.codec.training import SCORED, CodecTraining
from reinstate.memory.options import MemoryOptions
from reinstate.memory.tensors import unique_rows

ENVS, WRITTEN = 64, 32  # of a rollout; distinct frames of it that are kept
SHAPE = (56, 56, 3)
GRID = PatchGrid.of(SHAPE)
PIXELS = {"observation": "pixels"}
STAGES: list[tuple[str, dict[str, Any]]] = [
    ("Reinstate/GridTMazePassive-v0", PIXELS | {"length": 20}),
    ("Reinstate/GridTMazeCrowdedPassive-v0", PIXELS | {"length": 20}),
    ("MiniGrid-KeyCorridorS3R3-v0", PIXELS),
]
KEPT = {"8 versions": 8, "32 versions": 32}
WAYS = ("newest", "rehearsal", "re-encoded", *KEPT)
ROLLOUTS = 30  # of each stage
AGES = (0, 10, 30, 60)  # edges of the columns, in rollouts
SEEDS = (1, 2, 3)


def cells(known: list[Row]) -> Iterable[Row]:
    return [{"way": way} for way in WAYS]


def rows(cell: Row) -> Iterator[Row]:
    """One: for each column the share that is still read (None where there are no codes), and the number of codes."""
    read, good = np.sum([still_read(cell["way"], seed) for seed in SEEDS], axis=0).T.tolist()
    yield cell | {"read": [r / g if g else None for r, g in zip(read, good, strict=True)], "of": good}


def table(rows: list[Row]) -> str:
    lines = []
    for r in rows:
        shares = zip(r["read"], r["of"], strict=True)
        lines.append([r["way"], *("" if share is None else f"{share:.3f} of {count:,}" for share, count in shares)])
    edges = [f"{low:,} to {high - 1:,}" for low, high in zip(AGES[:-1], AGES[1:], strict=True)]
    return markdown(["way", *edges, f"{AGES[-1]:,} and more"], lines)


@dataclass
class Written:
    """Codes that were written in one rollout, and what only this measure knows of them."""

    frames: Tensor  # [n, 56, 56, 3]
    codes: Tensor  # [n, code_bytes]
    version: int
    tolerance: float  # of the coder that wrote
    good: Tensor  # [n] bool: decoded without a fault when written


class RehearsingAutoencoder(ImageAutoencoder):
    """Trains its decoder on old codes, too: each number that was ever the code of a patch keeps its first meaning."""

    def __init__(self, shape: tuple[int, ...], bits: int) -> None:
        super().__init__(shape, bits)
        self.numbers, self.meaning = torch.zeros(0, dtype=torch.int64), torch.zeros(0, self.grid.size)

    def remember(self, coder: ImageCoder, codes: Tensor) -> None:
        """What `coder` decodes the codes [n, C] to is their meaning, unless they had one."""
        for number in torch.unique(coder._numbers(codes)):
            if not bool((self.numbers == number).any()):
                self.numbers = torch.cat([self.numbers, number[None]])
                self.meaning = torch.cat([self.meaning, coder._patches(number[None]).float() / 255.0])

    def loss(self, patches: Tensor) -> Tensor:
        loss = super().loss(patches)
        if len(self.numbers) == 0:
            return loss
        decoded = self.decoder(numbers_to_bits(self.numbers, self.bits_per_patch) * 2.0 - 1.0)
        distance: Tensor = ((decoded - self.meaning).square().mean(dim=1) + 1e-5).sqrt().mean()
        return loss + distance


def frames_of_all_stages(seed: int) -> Iterator[Tensor]:
    """ROLLOUTS times the frames [n, 56, 56, 3] of a random policy in each stage."""
    for env, kwargs in STAGES:
        play = random_play(env, kwargs, ENVS, 1000 * seed, np.random.default_rng(seed))
        yield from map(torch.from_numpy, islice(play, ROLLOUTS))


def faithful(frames: Tensor, decoded: Tensor, tolerance: float) -> Tensor:
    """Frames [n] whose patches all came back to within the tolerance."""
    distance = patch_distance(GRID.cut(frames), GRID.cut(decoded))
    return (distance <= tolerance).view(len(frames), -1).all(dim=1)


def live(way: str, seed: int) -> tuple[Codec, list[Written]]:
    """The codec after all stages, and what it wrote."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    kind, o = RehearsingAutoencoder if way == "rehearsal" else ImageAutoencoder, MemoryOptions()
    net = kind(SHAPE, default_bits("image", SHAPE))
    codec = Codec(net, KEPT.get(way, VERSIONS))
    buffer = FrameBuffer(o.codec_frames, torch.zeros(SHAPE, dtype=torch.uint8))
    training = CodecTraining(codec, buffer, o.codec_updates, o.min_fidelity)
    written: list[Written] = []
    for frames in frames_of_all_stages(seed):
        fresh = unique_rows(frames.flatten(1))[0][:WRITTEN].view(-1, *SHAPE)
        coder = codec.current
        codes, tolerance = coder.encode(fresh), coder.figures()["tolerance"]
        good = faithful(fresh, coder.decode(codes), tolerance)
        written.append(Written(fresh, codes, codec.version, tolerance, good))
        if isinstance(net, RehearsingAutoencoder) and isinstance(coder, ImageCoder):
            net.remember(coder, codes[good])
        buffer.add(frames)
        if not bool((coder.fidelity(frames[:SCORED], coder.encode(frames[:SCORED])) == 1).all()):  # else it rests
            training.train(o.codec_updates, generator)
        if way == "re-encoded" and codec.version != written[-1].version:
            for w in written:
                w.codes, w.version = codec.current.encode(coder.decode(w.codes)), codec.version
    return codec, written


def still_read(way: str, seed: int) -> list[tuple[int, int]]:
    """For each column, how many of the codes that were good can still be read, and how many there are."""
    codec, written = live(way, seed)
    counts = [(0, 0)] * len(AGES)
    for age, w in zip(range(len(written), 0, -1), written, strict=True):
        if way in KEPT and not bool(codec.readable(torch.tensor(w.version))):
            still = torch.zeros_like(w.good)
        else:
            coder = codec.coders[w.version] if way in KEPT else codec.current
            still = faithful(w.frames, coder.decode(w.codes), w.tolerance) & w.good
        column = int(np.searchsorted(AGES, age, side="right")) - 1
        read, good = counts[column]
        counts[column] = (read + int(still.sum()), good + int(w.good.sum()))
    return counts
