"""The unit of observations and of rewards does not matter: steps until a task is solved, at every scale.

Three tasks, each at several scales of its numbers:

- bandit: one step, four contexts shown by two of six components, four arms; all observations are multiplied.
- paid bandit: the same; all rewards are multiplied.
- maze: `Reinstate/GridTMazePassive-v0`, length 20; all rewards are multiplied. With a memory only: an LSTM or a GRU
  does not solve it within the budget at scale 1.

Everything else is as by default, with 64 environments. A task is solved once 95 % of the last 200 finished training
episodes have succeeded (sampled policy). A cell is the number of environment steps until then, in thousands, seed by
seed, and in brackets the ratio of their mean to that at scale 1; "-": not solved within the budget.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from statistics import mean
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import VectorWrapper

from benchmarks.rows import Row, markdown
from reinstate.experiment.build import untrained
from reinstate.experiment.options import RunOptions
from reinstate.experiment.trainer import Trainer

BANDIT = "ScalesBandit-v0"
ENVS: dict[str, dict[str, Any]] = {
    "bandit": {"env": BANDIT, "total_timesteps": 100_000},
    "paid bandit": {"env": BANDIT, "total_timesteps": 100_000},
    "maze": {"env": "Reinstate/GridTMazePassive-v0", "env_kwargs": ("length=20",), "total_timesteps": 1_000_000},
}
SCALES = {"bandit": (1e-3, 1.0, 1e3, 1e5), "paid bandit": (1e-6, 1.0, 1e6), "maze": (1e-6, 1e-3, 1.0, 1e3, 1e6)}
EVERY = ("memory", "lstm", "gru", "none")
AGENTS = {"bandit": EVERY, "paid bandit": EVERY, "maze": ("memory",)}
SEEDS = 3
NUM_ENVS = 64
EPISODES, SOLVED = 200, 0.95


class Bandit(gymnasium.Env[np.ndarray, np.int64]):
    """Six numbers from -1 to 1, two of which tell by their signs which of four arms pays 1; times `scale`."""

    observation_space = Box(-np.inf, np.inf, (6,), np.float32)
    action_space = Discrete(4)

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.numbers = self.np_random.uniform(-1, 1, 6)
        return (self.scale * self.numbers).astype(np.float32), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        right = int(action) == 2 * (self.numbers[2] > 0) + (self.numbers[4] > 0)
        return (self.scale * self.numbers).astype(np.float32), float(right), True, False, {"is_success": right}


gymnasium.register(BANDIT, f"{__name__}:Bandit")


class ScaledRewards(VectorWrapper):
    """A batch whose rewards are multiplied."""

    def __init__(self, env: gymnasium.vector.VectorEnv, scale: float) -> None:
        super().__init__(env)
        self.scale = scale

    def step(self, actions: np.ndarray) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(actions)
        return observation, self.scale * reward, terminated, truncated, info


def cells(known: list[Row]) -> Iterable[Row]:
    return [
        {"task": task, "agent": agent, "scale": scale}
        for task in ENVS
        for agent in AGENTS[task]
        for scale in SCALES[task]
    ]


def rows(cell: Row) -> Iterator[Row]:
    for seed in range(1, SEEDS + 1):
        yield cell | {"seed": seed, "steps": steps_until_solved(cell["task"], cell["agent"], cell["scale"], seed)}


def steps_until_solved(task: str, agent: str, scale: float, seed: int) -> int | None:
    """Environment steps; None where the budget was not enough."""
    fields = dict(ENVS[task])
    if task == "bandit":
        fields["env_kwargs"] = (f"scale={scale}",)
    options = RunOptions(agent=agent, seed=seed, num_envs=NUM_ENVS, **fields)  # type: ignore[arg-type]
    trainer = Trainer(options, untrained(options))
    if task != "bandit":
        trainer.envs = ScaledRewards(trainer.envs, scale)
    succeeded: deque[bool] = deque(maxlen=EPISODES)
    try:
        while trainer.steps_done < options.total_timesteps:
            _, ends = trainer.step()
            succeeded.extend(bool(end.success) for end in ends)
            if len(succeeded) == EPISODES and mean(succeeded) >= SOLVED:
                return trainer.steps_done
    except FloatingPointError as error:
        print(error, file=sys.stderr)
    finally:
        trainer.envs.close()
    return None


def table(rows: list[Row]) -> str:
    """A line for each task and agent, a column for each scale."""
    scales = sorted({row["scale"] for row in rows})
    lines = []
    for task, agent in dict.fromkeys((row["task"], row["agent"]) for row in rows):
        found = {
            s: [r["steps"] for r in rows if (r["task"], r["agent"], r["scale"]) == (task, agent, s)] for s in scales
        }
        lines.append([task, agent, *(cell_of(found[s], found.get(1.0, [])) for s in scales)])
    return markdown(["task", "agent", *(f"x {s:g}" for s in scales)], lines)


def cell_of(steps: list[int | None], usual: list[int | None]) -> str:
    """All seeds' steps in thousands, and their mean's ratio to that of `usual`."""
    text = " ".join("-" if n is None else f"{n / 1000:.0f}" for n in steps)
    if not steps or None in steps or not usual or None in usual:
        return text
    return f"{text} ({mean(n for n in steps if n) / mean(n for n in usual if n):.2f})"
