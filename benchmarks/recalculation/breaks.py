"""Where does each way of recalculation break? `python benchmarks/recalculation/breaks.py`, half an hour on one core.

The supervised counterpart of what the agent must learn, through a memory: first views of the crowded T-Maze, 56 x 56
pixels, are written; LAG updates later a small head is asked for the cue of each, given the stored embedding alone, and
the gradient that reaches the embedding goes on into the network f by the ways of memory/recalculation.py. The codec has
learnt before, with ever fewer bits, or with pixels that are noise, anew in every picture.

Each cell is the share of fresh scenes whose cue is told in the end (0.5 is chance), and the mean cosine of the gradient
of f with the oracle's; below, how faithful the codec is. `ungated` recalculates slots whatever their fidelity.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import torch
import torch.nn.functional as F
import tyro
from probe import first_images, first_views, untrained
from runs import markdown, write_page
from torch import Tensor, nn

from agents.learner import BETAS, EPSILON
from agents.options import LearningOptions
from experiment.options import RunOptions
from memory.codec import Codec, build_autoencoder
from memory.frame_ring import FrameRing, hash_rows
from memory.options import MemoryOptions
from memory.recalculation import recalculate, reembedded
from memory.store import MemoryState, empty, write

HERE = Path(__file__).parent
PATCHES = 49
# A condition is bits of a patch and the share of pixels that are noise.
CONDITIONS = [(6, 0.0), (5, 0.0), (4, 0.0), (3, 0.0), (2, 0.0), (1, 0.0), (6, 0.01), (6, 0.05)]
WAYS = {  # mode, least fidelity
    "oracle": ("oracle", 1.0),
    "direct": ("direct", 1.0),
    "direct, ungated": ("direct", 0.0),
    "target, eta 10,000": ("target", 1.0),
    "refresh": ("refresh", 1.0),
    "refresh, ungated": ("refresh", 0.0),
    "none": ("none", 1.0),
}
LAG = 8  # updates between a write and its read
TESTED = 1_000  # scenes that are never shown


@dataclass(frozen=True)
class Breaks:
    """Learn the cue through a memory whose codec gets worse."""

    conditions: tuple[int, ...] = tuple(range(len(CONDITIONS)))
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


def learn(way: str, codec: Codec, scene: Tensor, cue: Tensor, batch: int, seed: int) -> tuple[float, float]:
    """The share of the last scenes that are told after all others were shown, and the mean cosine with the oracle."""
    mode, gate = WAYS[way]
    o = MemoryOptions()
    embed = untrained(RunOptions(env_kwargs=("observation=pixels",), seed=seed)).embed
    torch.manual_seed(seed)
    head = nn.Sequential(nn.Linear(o.embedding_width, 64), nn.ReLU(), nn.Linear(64, 2))
    groups = [list(embed.parameters()), list(head.parameters())]
    optimizer = torch.optim.Adam(sum(groups, []), lr=LearningOptions.learning_rate, betas=BETAS, eps=EPSILON)

    def send(mode: str, memory: MemoryState, gradient: Tensor) -> Tensor:
        embed.zero_grad()
        recalculate(mode, memory, gradient, codec, embed, o.recalculated_codes, gate, o.target_step)
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
    return float(told), mean(cosines) if cosines else float("nan")


def main(o: Breaks) -> list[list[str]]:
    torch.set_num_threads(1)
    rows = []
    for number in o.conditions:
        bits, noise = CONDITIONS[number]
        scene, cue = images(noise, o.scenes + TESTED)
        codecs = [learnt_codec(bits, scene, o.codec_updates, seed) for seed in range(1, o.seeds + 1)]
        coders: list[Any] = [codec.current for codec in codecs]
        fresh = scene[-256:]
        share = mean(float((c.fidelity(fresh, c.encode(fresh)) == 1).float().mean()) for c in coders)
        row = [str(bits * PATCHES), f"{noise:g}", f"{share:.2f}"]
        for way in WAYS:
            found = [learn(way, copy.deepcopy(c), scene, cue, o.batch, s + 1) for s, c in enumerate(codecs)]
            told, cosine = (mean(x) for x in zip(*found, strict=True))
            row.append(f"{told:.2f}" if cosine != cosine else f"{told:.2f} ({cosine:.2f})")
        rows.append(row)
        print(" | ".join(row), flush=True)
    return rows


if __name__ == "__main__":
    heads = ["bits", "noise", "faithful", *WAYS]
    write_page(HERE / "breaks.md", "Where recalculation breaks", __doc__, markdown(heads, main(tyro.cli(Breaks))))
