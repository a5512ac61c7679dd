"""How many labelled scenes does the embedding network need?

The supervised counterpart of what the agent must learn: the embedding network and a small head tell the cue of a
crowded room from its first view, each scene shown once, with the agent's optimiser and about as many scenes in an
update as a rollout has decisions at the junction. The figure is the number of scenes until 97 % of fresh ones are told,
or "-" where that never happens. It shows what the initial size of the features does: `std` is the standard deviation of
the tile vectors at the start (`START` in agents/look.py); of images, the factor by which the features of
patches shrink.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measures.probe import first_images, first_views
from benchmarks.rows import Row, seed_columns
from reinstate.agents.memory_agent import MemoryAgent
from reinstate.agents.networks import ImageEncoder, TileEncoder
from reinstate.agents.options import LearningOptions
from reinstate.agents.ppo import BETAS, EPSILON
from reinstate.experiment.build import untrained
from reinstate.experiment.options import RunOptions

OBSERVATIONS = ("symbolic", "pixels")
STDS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
SEEDS = 4
SCENES, FRESH, BATCH, TOLD = 30_000, 2_000, 36, 0.97


def cells(known: list[Row]) -> Iterable[Row]:
    return [{"observation": observation, "std": std} for observation in OBSERVATIONS for std in STDS]


def rows(cell: Row) -> Iterator[Row]:
    for seed in range(1, SEEDS + 1):
        options = RunOptions(env_kwargs=(f"observation={cell['observation']}",), seed=seed)
        yield cell | {"seed": seed, "scenes": scenes_needed(cell["std"], options, *labelled(cell["observation"]))}


def table(rows: list[Row]) -> str:
    return seed_columns(rows, ["observation", "std"], "scenes", ",")


@cache
def labelled(observation: str) -> tuple[Tensor, Tensor]:
    """Scenes [n, ...] and their cues [n]."""
    scene, cue = first_views(RunOptions(), SCENES + FRESH)
    return (first_images(RunOptions(), SCENES + FRESH) if observation == "pixels" else scene), cue


def scenes_needed(std: float, options: RunOptions, scene: Tensor, cue: Tensor) -> int | None:
    """Scenes shown until the last ones, which are never shown, are told; None if they never are."""
    learning = LearningOptions()
    agent = untrained(options)
    assert isinstance(agent, MemoryAgent)
    embed = agent.embed
    encoder = embed[0]
    assert isinstance(encoder, (TileEncoder, ImageEncoder))
    torch.manual_seed(options.seed)
    encoder.start_small(std)
    head = nn.Sequential(nn.Linear(options.memory.embedding_width, 64), nn.ReLU(), nn.Linear(64, 2))
    parameters = [*embed.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=learning.learning_rate, betas=BETAS, eps=EPSILON)
    shown = len(scene) - FRESH
    for update, part in enumerate(torch.split(torch.arange(shown), BATCH), start=1):
        loss = F.cross_entropy(head(embed(scene[part])), cue[part])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(embed.parameters(), learning.max_grad_norm)
        nn.utils.clip_grad_norm_(head.parameters(), learning.max_grad_norm)
        optimizer.step()
        if update % 10 == 0:
            with torch.no_grad():
                told = (head(embed(scene[shown:])).argmax(1) == cue[shown:]).float().mean()
            if told >= TOLD:
                return update * BATCH
    return None
