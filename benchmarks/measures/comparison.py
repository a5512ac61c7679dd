"""Comparing what is seen with what is remembered.

The supervised counterpart of Visual Match: a colour is shown at the start of an episode, and of the coloured squares
that are seen after the apples only the one of that colour pays. Neither colour tells anything without the other, so
nothing is learnt before the embedding network, the read and the heads fit together. A random policy plays
`VisualMatchPassive` or `VisualMatchActive` with a delay of 5, 128 fresh episodes for an update; the agent's own
networks read every distinct picture of the episode so far (the true ones: this is not about codes), wherever a square
is in view. In the active task the colour is seen from many cells, and states whose colour was not seen are left out.
The networks are taught by

- labels: is a square of the remembered colour in view?
- outcomes: will this episode be paid? That is all that an agent learns from, and much of it is chance: 4 of 10 states
  are paid where the label is yes, 1 of 25 where it is no.

The figure is the number of updates until a state with the label yes gets a larger score than one with the label no in
0.8 of all pairs in 128 fresh episodes (the area under the ROC curve), or "-" where that never happens. Ways: the
agent's networks by default; with the features of patches at full size from the start; `--compare`, which has that, too,
without the part of the embedding that says what is in view wherever it stands; and `--compare`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reinstate.envs  # noqa: F401
from benchmarks.rows import Row, seed_columns
from reinstate.agents.build import make_memory
from reinstate.agents.networks import ImageEncoder, ObservationSpec
from reinstate.agents.options import LearningOptions
from reinstate.agents.ppo import BETAS, EPSILON
from reinstate.envs.three_phases import COLOURS, SQUARES
from reinstate.memory.options import MemoryOptions
from reinstate.memory.recalculation import embed_unique
from reinstate.memory.tensors import unique_rows

DELAY = 5
PHASES = (15, DELAY, 15)  # steps: the colour, the apples, the squares
EPISODES, TOLD, EVERY = 128, 0.8, 20
SEEDS, UPDATES = 3, 600
WANDER = (0.45, 0.1, 0.225, 0.225)  # north, where the squares are, more often
# Does the present embedding take part, do the features of patches start at full size, is there the part of `anywhere`?
WAYS = {
    "default": (False, False, False),
    "full start": (False, True, False),
    "--compare, not anywhere": (True, True, False),
    "--compare": (True, True, True),
}
COMPARING = tuple(way for way, (compare, *_) in WAYS.items() if compare)
TASKS = {"VisualMatchPassive": tuple(WAYS), "VisualMatchActive": COMPARING}
TEACHERS = {"labels": "label", "outcomes": "outcome"}
SLOTS = {"VisualMatchPassive": 32, "VisualMatchActive": 40}  # at least the distinct pictures of an episode


def cells(known: list[Row]) -> Iterable[Row]:
    return [
        {"task": task, "taught_by": teacher, "way": way}
        for task, ways in TASKS.items()
        for teacher in TEACHERS
        for way in ways
    ]


def rows(cell: Row) -> Iterator[Row]:
    for seed in range(1, SEEDS + 1):
        needed = updates_needed(cell["task"], cell["way"], TEACHERS[cell["taught_by"]], seed, UPDATES)
        yield cell | {"seed": seed, "updates": needed}


def table(rows: list[Row]) -> str:
    return seed_columns(rows, ["task", "taught_by", "way"], "updates", ",")


@dataclass
class Seen:
    """States with a square in view, of EPISODES episodes."""

    pictures: Tensor  # [episodes, N, 5, 5, 3]: the first of all, and those since the apples began
    episode: Tensor  # [n]
    now: Tensor  # [n] which picture is seen
    visible: Tensor  # [n, N] bool: distinct pictures up to now
    label: Tensor  # [n] int64
    outcome: Tensor  # [n] int64


class Player:
    """Plays fresh episodes."""

    def __init__(self, task: str, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.active = task == "VisualMatchActive"
        self.envs = gym.make_vec(f"Reinstate/{task}-v0", EPISODES, delay=DELAY)

    def play(self) -> Seen:
        explore, delay, last = PHASES
        frame, _ = self.envs.reset(seed=int(self.rng.integers(2**31)))
        frames, paid = [], np.zeros(EPISODES)
        for t in range(explore + delay + last):
            frames.append(frame.copy())
            wander = None if self.active and t < explore else WANDER  # None: evenly
            frame, reward, *_ = self.envs.step(self.rng.choice(len(WANDER), size=EPISODES, p=wander))
            if t >= explore + delay:
                paid += reward
        pictures = torch.from_numpy(np.stack(frames, axis=1))
        if not self.active:  # boxed in beside the colour
            pictures, explore = torch.cat([pictures[:, :1], pictures[:, explore:]], dim=1), 1
        squares = squares_in(pictures)  # [episodes, N, 3]
        shown = squares[:, :explore].any(dim=1)
        cue, knows = shown.float().argmax(dim=-1), shown.any(dim=-1)
        squares[:, : explore + delay] = False
        squares[~knows] = False
        episode, now = squares.any(dim=-1).nonzero(as_tuple=True)
        visible = first_of_equals(pictures)[episode] & (torch.arange(pictures.shape[1]) <= now[:, None])
        label, outcome = squares[episode, now, cue[episode]], torch.from_numpy(paid > 0)[episode]
        return Seen(pictures, episode, now, visible, label.long(), outcome.long())


def squares_in(pictures: Tensor) -> Tensor:
    """Which of the three colours are in view [..., 3], pictures [..., 5, 5, 3]."""
    colours = torch.from_numpy(COLOURS[list(SQUARES)])
    return (pictures[..., None, :] == colours).all(dim=-1).flatten(-3, -2).any(dim=-2)


def first_of_equals(pictures: Tensor) -> Tensor:
    """[episodes, N] bool: not seen before in its episode."""
    flat = pictures.flatten(2)
    equal = (flat[:, :, None] == flat[:, None]).all(dim=-1)  # [episodes, N, N]
    return ~equal.tril(-1).any(dim=-1)


class Network(nn.Module):
    """The agent's own networks, with two actions: no and yes."""

    def __init__(self, task: str, way: str, seed: int) -> None:
        super().__init__()
        compare, full_start, anywhere = WAYS[way]
        torch.manual_seed(seed)
        options = MemoryOptions(compare=compare, slots=SLOTS[task])
        self.agent = make_memory(ObservationSpec("image", (5, 5, 3)), 2, options)
        encoder = self.agent.embed[0]
        assert isinstance(encoder, ImageEncoder)
        if full_start and not compare:  # which has it anyway
            encoder.start_small(1.0)
        if compare and not anywhere:
            encoder.anywhere = None

    def forward(self, seen: Seen) -> Tensor:
        """Logits [n, 2]."""
        agent, n = self.agent, len(seen.now)
        slots = embed_unique(agent.embed, seen.pictures.flatten(0, 1)).view(*seen.pictures.shape[:2], -1)
        frames = unique_rows(seen.pictures[seen.episode, seen.now])
        features = agent.encode_state(frames, torch.zeros(n, dtype=torch.long), torch.zeros(n))
        x, _ = agent.look(features, slots[seen.episode, seen.now], slots[seen.episode], seen.visible)
        logits: Tensor = agent.heads(x, torch.zeros(n))[0]
        return logits


def told(score: Tensor, label: Tensor) -> float:
    """The share of all pairs of a yes and a no in which the yes has the larger score."""
    yes, no = score[label == 1], score[label == 0].sort().values
    return float(torch.searchsorted(no, yes).float().mean() / len(no))


def updates_needed(task: str, way: str, teacher: str, seed: int, most: int) -> int | None:
    """Updates until TOLD of the pairs are told, tested every EVERY updates; None if they never are."""
    network, player, learning = Network(task, way, seed), Player(task, seed), LearningOptions()
    fresh, parameters = Player(task, 2**30 + seed).play(), list(network.parameters())
    optimizer = torch.optim.Adam(parameters, lr=learning.learning_rate, betas=BETAS, eps=EPSILON)
    for update in range(1, most + 1):
        seen = player.play()
        loss = F.cross_entropy(network(seen), getattr(seen, teacher))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, learning.max_grad_norm)
        optimizer.step()
        if update % EVERY == 0:
            with torch.no_grad():
                no, yes = network(fresh).unbind(dim=1)
            if told(yes - no, fresh.label) >= TOLD:
                return update
    return None
