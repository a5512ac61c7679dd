"""Where does each way of recalculation break? `python benchmarks/recalculation/breaks.py`, half an hour on one core.

The supervised counterpart of what the agent must learn, through a memory: first views of the crowded T-Maze, 56 x 56
pixels, are written; 8 updates later a small head is asked for the cue of each, given the stored embedding alone, and
the gradient that reaches the embedding goes on into the network f by the ways of memory/recalculation.py. The codec has
learnt before, with ever fewer bits, or with pixels that are noise, anew in every picture.

Each cell is the share of fresh scenes whose cue is told in the end (0.5 is chance), seed by seed, and in brackets the
mean cosine of the gradient of f with the oracle's. `faithful` is the share of fresh scenes that the codec reads without
a fault. `ungated` recalculates slots whatever their fidelity.

A condition that is made anew replaces its rows in breaks.jsonl; others stay.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Literal

import torch
import torch.nn.functional as F
import tyro
from probe import first_images, first_views, untrained
from runs import markdown, read_rows, write_page, write_rows
from torch import Tensor, nn

from reinstate.agents.learner import BETAS, EPSILON
from reinstate.agents.options import LearningOptions
from reinstate.experiment.options import RunOptions
from reinstate.memory.codec import Codec, build_autoencoder
from reinstate.memory.frame_ring import FrameRing, hash_rows
from reinstate.memory.options import MemoryOptions
from reinstate.memory.recalculation import recalculate, reembedded
from reinstate.memory.store import MemoryState, empty, write

HERE = Path(__file__).parent
RESULTS = HERE / "breaks.jsonl"
PATCHES = 49
# A condition is bits of a patch and the share of pixels that are noise.
CONDITIONS = [(6, 0.0), (5, 0.0), (4, 0.0), (3, 0.0), (2, 0.0), (1, 0.0), (6, 0.01), (6, 0.05)]
ETA = MemoryOptions().target_step
WAYS = {  # mode, least fidelity, eta
    "oracle": ("oracle", 1.0, ETA),
    "direct": ("direct", 1.0, ETA),
    "direct, ungated": ("direct", 0.0, ETA),
    "target, eta 10,000": ("target", 1.0, 10_000.0),
    "target, eta 1,000": ("target", 1.0, 1_000.0),
    "target, eta 100": ("target", 1.0, 100.0),
    "refresh": ("refresh", 1.0, ETA),
    "refresh, ungated": ("refresh", 0.0, ETA),
    "none": ("none", 1.0, ETA),
}
LAG = 8  # updates between a write and its read
TESTED = 1_000  # scenes that are never shown


@dataclass(frozen=True)
class Breaks:
    """Learn the cue through a memory whose codec gets worse."""

    conditions: tuple[Literal[*range(len(CONDITIONS))], ...] = tuple(range(len(CONDITIONS)))
    """Which of the conditions, by number."""
    scenes: int = 7_200
    """Scenes that are shown, once each."""
    codec_updates: int = 1_000
    """Updates of the codec beforehand."""
    seeds: int = 3
    """Networks for each cell."""
    batch: int = 36
    """Scenes in an update."""


def images(noise: float, count: int) -> tuple[Tensor, Tensor]:
    """First views [n, 56, 56, 3] and their cues [n]."""
    noisy = RunOptions().with_env_kwargs((f"noise={noise}",))
    return first_images(noisy, count), first_views(RunOptions(), count)[1]


def learnt_codec(bits: int, scene: Tensor, updates: int, seed: int) -> Codec:
    """A codec of so many bits a patch that has learnt on scenes [n, 56, 56, 3]."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    net = build_autoencoder("image", tuple(scene.shape[1:]), (), bits * PATCHES)
    codec = Codec(net, FrameRing(MemoryOptions().codec_ring, scene[0]))
    codec.ring.add(scene[: MemoryOptions().codec_ring])
    for _ in range(updates // 20):
        codec.learn(20, generator)
    return codec


@torch.no_grad()
def written(scene: Tensor, embed: nn.Module, codec: Codec) -> MemoryState:
    """A memory of one slot for each scene [n], as the agent would write it."""
    n, codes = len(scene), codec.current.encode(scene)
    memory = empty(n, 1, MemoryOptions().embedding_width, codec.code_bytes, scene[0])
    fields = {"embedding": embed(scene), "code": codes, "code_hash": hash_rows(codes), "version": codec.version}
    fidelity = codec.current.fidelity(scene, codes)
    write(memory, torch.arange(n), torch.zeros(n, dtype=torch.int64), fidelity=fidelity, observation=scene, **fields)
    return memory


def gradients(embed: nn.Module) -> Tensor:
    """Of all parameters, as one vector; zero where nothing arrived."""
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in embed.parameters()])


def learn(way: str, codec: Codec, scene: Tensor, cue: Tensor, batch: int, seed: int) -> tuple[float, float | None]:
    """The share of the last scenes that are told after all others were shown, and the mean cosine with the oracle."""
    mode, gate, eta = WAYS[way]
    o = MemoryOptions()
    embed = untrained(RunOptions(env_kwargs=("observation=pixels",), seed=seed)).embed
    torch.manual_seed(seed)
    head = nn.Sequential(nn.Linear(o.embedding_width, 64), nn.ReLU(), nn.Linear(64, 2))
    groups = [list(embed.parameters()), list(head.parameters())]
    optimizer = torch.optim.Adam(sum(groups, []), lr=LearningOptions.learning_rate, betas=BETAS, eps=EPSILON)

    def send(mode: str, memory: MemoryState, gradient: Tensor) -> Tensor:
        embed.zero_grad()
        recalculate(mode, memory, gradient, codec, embed, o.recalculated_codes, gate, eta)
        return gradients(embed)

    waiting: deque[tuple[MemoryState, Tensor]] = deque()
    cosines, shown = [], len(scene) - TESTED
    for update, part in enumerate(torch.arange(shown).split(batch)):
        waiting.append((written(scene[part], embed, codec), cue[part]))
        if len(waiting) <= LAG:
            continue
        memory, label = waiting.popleft()
        optimizer.zero_grad()
        leaf = memory.embedding.clone().requires_grad_()
        m = reembedded(memory, codec, embed, gate) if mode == "refresh" else leaf
        m.retain_grad() if m.requires_grad else None
        F.cross_entropy(head(m[:, 0]), label).backward()
        sent = gradients(embed) if mode == "refresh" else send(mode, memory, leaf.grad)
        if update % 10 == 0 and mode not in ("none", "oracle") and m.grad is not None:
            ours = [None if p.grad is None else p.grad.clone() for p in groups[0]]
            cosines.append(float(F.cosine_similarity(sent, send("oracle", memory, m.grad), dim=0)))
            for p, g in zip(groups[0], ours, strict=True):
                p.grad = g
        for group in groups:
            nn.utils.clip_grad_norm_(group, LearningOptions.max_grad_norm)
        optimizer.step()
    with torch.no_grad():
        told = (head(embed(scene[shown:])).argmax(1) == cue[shown:]).float().mean()
    return float(told), mean(cosines) if cosines else None


def measure(number: int, o: Breaks) -> list[dict[str, Any]]:
    """A row for each way and seed under one condition."""
    bits, noise = CONDITIONS[number]
    scene, cue = images(noise, o.scenes + TESTED)
    fresh, rows = scene[-256:], []
    for seed in range(1, o.seeds + 1):
        codec = learnt_codec(bits, scene, o.codec_updates, seed)
        coder: Any = codec.current
        faithful = float((coder.fidelity(fresh, coder.encode(fresh)) == 1).float().mean())
        for way in WAYS:
            told, cosine = learn(way, copy.deepcopy(codec), scene, cue, o.batch, seed)
            row = {"bits": bits * PATCHES, "noise": noise, "seed": seed, "faithful": faithful}
            rows.append(row | {"way": way, "told": told, "cosine": cosine})
            print(rows[-1], flush=True)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a line for each condition, the seeds side by side."""
    lines = []
    for condition in dict.fromkeys((r["bits"], r["noise"]) for r in rows):
        found = [r for r in rows if (r["bits"], r["noise"]) == condition]
        faithful = mean(r["faithful"] for r in found)
        cells = [str(condition[0]), f"{condition[1]:g}", f"{faithful:.2f}"]
        for way in WAYS:
            told = " ".join(f"{r['told']:.2f}" for r in found if r["way"] == way)
            cosines = [r["cosine"] for r in found if r["way"] == way and r["cosine"] is not None]
            cells.append(f"{told} ({mean(cosines):.2f})" if cosines else told)
        lines.append(cells)
    return markdown(["bits", "noise", "faithful", *WAYS], lines)


def main(o: Breaks) -> None:
    torch.set_num_threads(1)
    order = [(bits * PATCHES, noise) for bits, noise in CONDITIONS]
    for number in o.conditions:
        others = [r for r in read_rows(RESULTS) if (r["bits"], r["noise"]) != order[number]]
        rows = sorted(others + measure(number, o), key=lambda r: order.index((r["bits"], r["noise"])))
        write_rows(RESULTS, rows)
    write_page(HERE / "breaks.md", "Where recalculation breaks", __doc__, table(read_rows(RESULTS)))


if __name__ == "__main__":
    main(tyro.cli(Breaks))
