"""Where each way of recalculation breaks, as codes shrink and noise grows.

The supervised counterpart of what the agent must learn, through a memory: first views of the crowded T-Maze, 56 x 56
pixels, are written; 8 updates later a small head is asked for the cue of each, given the stored embedding alone, and
the gradient that reaches the embedding is sent to the embedding network by each way of memory/recalculation.py. The
codec has learnt before, with ever fewer bits, or with pixels that are noise, drawn again in every picture.

Each cell is the share of fresh scenes whose cue is told in the end (0.5 is chance), seed by seed, and in brackets the
mean cosine between the gradient of the embedding network and the oracle's. `faithful` is the share of fresh scenes that
the codec decodes without a fault. `ungated` recalculates slots whatever their fidelity. Half an hour on one core.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from statistics import mean

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measures.probe import first_images, first_views
from benchmarks.rows import Row, markdown
from reinstate.agents.memory_agent import MemoryAgent
from reinstate.agents.options import LearningOptions
from reinstate.agents.ppo import BETAS, EPSILON
from reinstate.experiment.build import untrained
from reinstate.experiment.options import RunOptions
from reinstate.memory.codec.codec import Codec, build_codec
from reinstate.memory.codec.frames import FrameBuffer
from reinstate.memory.codec.training import CodecTraining
from reinstate.memory.options import MemoryOptions
from reinstate.memory.recalculation import MODES, Oracle
from reinstate.memory.slots import MemoryState, empty, write
from reinstate.memory.tensors import hash_rows

PATCHES = 49
# Bits of a patch, and the share of pixels that are noise.
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
SEEDS = 3
SCENES, FRESH = 7_200, 1_000  # shown once each; never shown
CODEC_UPDATES = 1_000  # beforehand
BATCH = 36
LAG = 8  # updates between a write and its read


def cells(known: list[Row]) -> Iterable[Row]:
    return [
        {"bits": bits * PATCHES, "noise": noise, "seed": seed}
        for bits, noise in CONDITIONS
        for seed in range(1, SEEDS + 1)
    ]


def rows(cell: Row) -> Iterator[Row]:
    """One for each way."""
    scene, cue = images(cell["noise"], SCENES + FRESH)
    fresh = scene[-256:]
    codec = learnt_codec(cell["bits"], scene, CODEC_UPDATES, cell["seed"])
    coder = codec.current
    faithful = float((coder.fidelity(fresh, coder.encode(fresh)) == 1).float().mean())
    for way in WAYS:
        told, cosine = learn(way, copy.deepcopy(codec), scene, cue, cell["seed"])
        yield cell | {"faithful": faithful, "way": way, "told": told, "cosine": cosine}


def table(rows: list[Row]) -> str:
    """A line for each condition, the seeds side by side."""
    lines = []
    for bits, noise in CONDITIONS:
        found = [r for r in rows if (r["bits"], r["noise"]) == (bits * PATCHES, noise)]
        if not found:
            continue
        cells = [str(bits * PATCHES), f"{noise:g}", f"{mean(r['faithful'] for r in found):.2f}"]
        for way in WAYS:
            told = " ".join(f"{r['told']:.2f}" for r in found if r["way"] == way)
            cosines = [r["cosine"] for r in found if r["way"] == way and r["cosine"] is not None]
            cells.append(f"{told} ({mean(cosines):.2f})" if cosines else told)
        lines.append(cells)
    return markdown(["bits", "noise", "faithful", *WAYS], lines)


@lru_cache(1)
def images(noise: float, count: int) -> tuple[Tensor, Tensor]:
    """First views [n, 56, 56, 3] and their cues [n]."""
    noisy = RunOptions().with_env_kwargs((f"noise={noise}",))
    return first_images(noisy, count), first_views(RunOptions(), count)[1]


def learnt_codec(bits: int, scene: Tensor, updates: int, seed: int) -> Codec:
    """A codec of so many bits that has learnt on scenes [n, 56, 56, 3]."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    o, codec = MemoryOptions(), build_codec("image", scene.shape[1:], (), bits)
    training = CodecTraining(codec, FrameBuffer(o.codec_frames, scene[0]), o.codec_updates, o.min_fidelity)
    training.frames.add(scene[: o.codec_frames])
    for _ in range(updates // o.codec_updates):
        training.train(o.codec_updates, generator)
    return codec


@torch.no_grad()
def written(scene: Tensor, embed: nn.Module, codec: Codec) -> MemoryState:
    """A memory of one slot for each scene [n], as the agent would write it."""
    n, codes = len(scene), codec.current.encode(scene)
    memory = empty(n, 1, MemoryOptions().embedding_width, codec.code_bytes, scene[0])
    fields = {"embedding": embed(scene), "code": codes, "code_hash": hash_rows(codes), "observation": scene}
    fidelity, place = codec.current.fidelity(scene, codes), (torch.arange(n), torch.zeros(n, dtype=torch.int64))
    write(memory, *place, version=codec.version, fidelity=fidelity, **fields)
    return memory


def gradients(embed: nn.Module) -> Tensor:
    """Of all parameters, as one vector; zero where nothing arrived."""
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in embed.parameters()])


def learn(way: str, codec: Codec, scene: Tensor, cue: Tensor, seed: int) -> tuple[float, float | None]:
    """The share of the last scenes that are told after all others were shown, and the mean cosine with the oracle."""
    name, gate, eta = WAYS[way]
    o = MemoryOptions(min_fidelity=gate, target_step=eta)
    agent = untrained(RunOptions(env_kwargs=("observation=pixels",), seed=seed))
    assert isinstance(agent, MemoryAgent)
    embed = agent.embed
    mode, oracle = MODES[name](codec, embed, o), Oracle(codec, embed, o)
    torch.manual_seed(seed)
    head = nn.Sequential(nn.Linear(o.embedding_width, 64), nn.ReLU(), nn.Linear(64, 2))
    groups = [list(embed.parameters()), list(head.parameters())]
    optimizer = torch.optim.Adam(sum(groups, []), lr=LearningOptions.learning_rate, betas=BETAS, eps=EPSILON)

    waiting: deque[tuple[MemoryState, Tensor]] = deque()
    cosines, shown = [], len(scene) - FRESH
    for update, part in enumerate(torch.split(torch.arange(shown), BATCH)):
        waiting.append((written(scene[part], embed, codec), cue[part]))
        if len(waiting) <= LAG:
            continue
        memory, label = waiting.popleft()
        optimizer.zero_grad()
        m = mode.older(memory)
        if m.requires_grad:
            m.retain_grad()
        F.cross_entropy(head(m[:, 0]), label).backward()  # type: ignore[no-untyped-call]
        if m.grad is not None and m.is_leaf:
            mode.send(memory, m.grad)
        if update % 10 == 0 and m.grad is not None and way != "oracle":
            sent, ours = gradients(embed), [p.grad for p in groups[0]]
            embed.zero_grad()
            oracle.send(memory, m.grad)
            cosines.append(float(F.cosine_similarity(sent, gradients(embed), dim=0)))
            for p, g in zip(groups[0], ours, strict=True):
                p.grad = g
        for group in groups:
            nn.utils.clip_grad_norm_(group, LearningOptions.max_grad_norm)
        optimizer.step()
    with torch.no_grad():
        told = (head(embed(scene[shown:])).argmax(1) == cue[shown:]).float().mean()
    return float(told), mean(cosines) if cosines else None
