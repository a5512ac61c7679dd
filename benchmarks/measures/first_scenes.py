"""How many labelled scenes does the embedding network need? `python benchmarks/recalculation/first_scenes.py`.

The supervised counterpart of what the agent must learn: network f and a small head tell the cue of a crowded room from
its first view, each scene shown once, with the agent's optimiser and about as many scenes in an update as a chunk
has decisions at the junction. It measures what the initial size of the tile vectors does (`TILE_STD` in
agents/memory_agent.py): the number of scenes until 97 % of fresh ones are told, or "-" where that never happens.
With `--observation pixels` the scenes are images, and the size is the factor by which the features of patches shrink.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import torch
import tyro
from probe import first_images, first_views, untrained
from torch import Tensor, nn

from reinstate.agents.learner import BETAS, EPSILON
from reinstate.agents.options import LearningOptions
from reinstate.experiment.options import RunOptions

TOLD = 0.97


@dataclass(frozen=True)
class Scenes:
    """Learn the cue from labelled scenes."""

    stds: tuple[float, ...] = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
    """Standard deviations of the tile vectors at the start; of images, factors of the features of patches."""
    observation: Literal["symbolic", "pixels"] = "symbolic"
    """What the scenes are."""
    seeds: int = 4
    """Networks for each."""
    scenes: int = 30_000
    """Scenes at most."""
    batch: int = 36
    """Scenes in an update."""


def scenes_needed(std: float, options: RunOptions, scene: Tensor, cue: Tensor, batch: int) -> int | None:
    """Scenes shown until the last 2,000, which are never shown, are told; None if they never are."""
    o, seed, learning = options, options.seed, LearningOptions()
    embed = untrained(o).embed
    torch.manual_seed(seed)
    embed[0].start_small(std)
    head = nn.Sequential(nn.Linear(o.memory.embedding_width, 64), nn.ReLU(), nn.Linear(64, 2))
    parameters = [*embed.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=learning.learning_rate, betas=BETAS, eps=EPSILON)
    shown = len(scene) - 2000
    for update, part in enumerate(torch.arange(shown).split(batch), start=1):
        loss = nn.functional.cross_entropy(head(embed(scene[part])), cue[part])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(embed.parameters(), learning.max_grad_norm)
        nn.utils.clip_grad_norm_(head.parameters(), learning.max_grad_norm)
        optimizer.step()
        if update % 10 == 0:
            with torch.no_grad():
                told = (head(embed(scene[shown:])).argmax(1) == cue[shown:]).float().mean()
            if told >= TOLD:
                return update * batch
    return None


def main(o: Scenes) -> None:
    torch.set_num_threads(1)
    options = RunOptions(env_kwargs=(f"observation={o.observation}",))
    scene, cue = first_views(RunOptions(), o.scenes + 2000)
    if o.observation == "pixels":
        scene = first_images(RunOptions(), o.scenes + 2000)
    print("| std | " + " | ".join(f"seed {s + 1}" for s in range(o.seeds)) + " |")
    print("|---" * (1 + o.seeds) + "|")
    for std in o.stds:
        needed = [
            scenes_needed(std, dataclasses.replace(options, seed=s + 1), scene, cue, o.batch) for s in range(o.seeds)
        ]
        print(f"| {std} | " + " | ".join("-" if n is None else f"{n:,}" for n in needed) + " |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Scenes))
