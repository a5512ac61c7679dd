"""An environment of your own, trained with and without a memory: `python examples/own_environment.py`, half a minute.

Any Gymnasium environment works if its actions are discrete, or combinations of discrete choices: `MultiDiscrete`,
`MultiBinary`, `Dict` or `Tuple` of these, up to 32,767 combinations. What it observes becomes one of three things:

- an image, where it is an array of uint8 [height, width, channels];
- MiniGrid's symbols, where MiniGrid made them;
- a vector of at most 4,096 numbers, which is what `gymnasium.spaces.utils.flatten` makes of any other space.

A `Dict` with an entry `image` shows only that. Three things in an environment are for Reinstate, and all are optional:

- `info["is_success"]` in the last step of an episode, True or False: success is reported, and a run can stop at a
  success rate. Anything but a bool, 0 or 1 counts as not reported.
- `info["cue"]` there, an integer: success is also reported for each cue.
- `truncated` apart from `terminated`: the value of what comes after the cut is estimated, and is 0 after an end.

A run goes on exactly where it was saved if the environment draws all that is random from `self.np_random`: then the
same seed and the same actions give the same episode. Where they do not, a new episode begins.

From the command line, in the folder of your file: `reinstate train --env own_environment:DelayedRecall-v0` imports
`own_environment` first.

The control without a memory shows that the task needs one. It does not show that it needs recalculation: random
features tell two colours apart.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

import reinstate

ID = "DelayedRecall-v0"
BUDGET = {"total_timesteps": 40_000, "num_envs": 32, "eval_every": 0, "eval_episodes": 20}


class DelayedRecall(gymnasium.Env[np.ndarray, np.int64]):
    """The first observation shows one of two colours; `delay` blank steps later the agent must name it.

    Observation: [red, green, asked], each 0 or 1. Actions: 0 names red, 1 names green; they count only when asked.
    Reward: 1 for the right name, 0 otherwise; nothing before. Without a memory the best return is 0.5.
    """

    def __init__(self, delay: int = 50) -> None:
        self.delay = delay
        self.observation_space = Box(0.0, 1.0, (3,), np.float32)
        self.action_space = Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.colour, self.steps = int(self.np_random.integers(2)), 0
        return np.array([self.colour == 0, self.colour == 1, 0], np.float32), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        was_asked = self.steps == self.delay
        self.steps += 1
        observation = np.array([0, 0, self.steps == self.delay], np.float32)
        if not was_asked:
            return observation, 0.0, False, False, {}
        right = int(action) == self.colour
        return observation, float(right), True, False, {"is_success": right, "cue": self.colour}


gymnasium.register(ID, entry_point=DelayedRecall)


def success(agent: str, folder: Path, budget: dict[str, Any]) -> float:
    """Trains an agent; returns its greedy success in 100 new episodes."""
    run = reinstate.train(ID, agent=agent, run_dir=folder, **budget)
    trained, options, _ = reinstate.load_agent(run)
    return float(reinstate.evaluate(trained, options, episodes=100, seed=0, greedy=True)["success_rate"] or 0.0)


def main(budget: dict[str, Any] = BUDGET) -> dict[str, float]:
    """Trains with a memory and, as the control, without; returns the success of both."""
    with tempfile.TemporaryDirectory() as runs:
        found = {agent: success(agent, Path(runs) / agent, budget) for agent in ("memory", "none")}
    print(f"greedy success with a memory {found['memory']:.2f}, without {found['none']:.2f}")
    return found


if __name__ == "__main__":
    main()
