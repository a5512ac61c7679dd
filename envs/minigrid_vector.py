"""MiniGrid's own environments in batches: the same episodes, step for step, in compiled loops over arrays."""

from __future__ import annotations

import inspect
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.envs import MemoryEnv
from minigrid.minigrid_env import MiniGridEnv

from reinstate.envs.checks import check_view_size
from reinstate.envs.grid_engine import BOX, EMPTY, VIEW, empty_state, pack_box, write_views
from reinstate.envs.grid_pixels import draw_views
from reinstate.envs.grid_tmaze import observation_space_of
from reinstate.envs.minigrid_memory_layout import begin_memories, memory_mazes
from reinstate.envs.minigrid_rules import TASK_NUMBERS, TASKS, player_of
from reinstate.envs.naming import check_options, find_spec, make_from
from reinstate.envs.pcg64 import generator_to_words, set_generator
from reinstate.envs.vector_base import SameStepVectorEnv

MAX_VIEW = 15  # cells; a larger image is taken for a picture, not for symbols


def minigrid_class(spec: EnvSpec) -> type[MiniGridEnv] | None:
    """The MiniGrid class that the specification makes, or None if it makes something else."""
    entry_point = spec.entry_point
    if isinstance(entry_point, str):
        entry_point = gym.envs.registration.load_env_creator(entry_point)
    return entry_point if inspect.isclass(entry_point) and issubclass(entry_point, MiniGridEnv) else None


def has_rules(spec: EnvSpec, options: dict[str, Any]) -> bool:
    """Whether `MiniGridVector` can play this environment with these keywords."""
    view_size = {**spec.kwargs, **options}.get("agent_view_size", VIEW)
    return minigrid_class(spec) in TASKS and not spec.additional_wrappers and view_size <= MAX_VIEW


def make_vec(env_id: str, num_envs: int, observation: str = "symbolic", **options: Any) -> MiniGridVector:
    """A batch of one of MiniGrid's own environments.

    Args:
        env_id: such as "MiniGrid-MemoryS13-v0".
        observation: "symbolic" or "pixels".
        options: keywords of the environment, such as max_steps, agent_view_size (odd, 3 to 15) or see_through_walls.

    Raises:
        ValueError: the id or a keyword is unknown, or the rules of the environment are not in the engine.
    """
    spec = find_spec(env_id)
    check_options(spec, options)
    check_view_size(options.get("agent_view_size", VIEW))
    if not has_rules(spec, options):
        raise ValueError(
            f"{spec.id} with options {options} has rules that are not in the engine: use envs.adapt.make_vector, "
            "which runs it slowly."
        )
    return MiniGridVector(spec, num_envs, observation, **options)


class MiniGridVector(SameStepVectorEnv):
    """B environments of one MiniGrid id.

    Observations are [V, V, 3] symbols or [8 V, 8 V, 3] pixels, V = 7 unless `agent_view_size` is another. On the last
    step of an episode `is_success` tells whether it was terminated with a reward. New episodes are drawn by MiniGrid
    itself, in one environment that is kept for it, from the generator of the environment that begins;
    MiniGrid-Memory's are drawn straight into arrays.
    """

    def __init__(self, spec: EnvSpec, num_envs: int, observation: str, **options: Any):
        self._drawer: MiniGridEnv = make_from(spec, disable_env_checker=True, **options).unwrapped
        view = self._drawer.agent_view_size
        super().__init__(num_envs, observation_space_of(observation, view), self._drawer.action_space, None)
        self.observation = observation
        self._task = TASKS[type(self._drawer)]
        self._step_and_view = player_of(self._task.rule)
        self._world = empty_state(num_envs, self._drawer.width, self._drawer.height)
        self._task_numbers = np.zeros((num_envs, TASK_NUMBERS), dtype=np.int64)
        self._views = np.empty((num_envs, view, view, 3), dtype=np.uint8)  # scratch of the pixel observation
        self._memory_mazes = memory_mazes(self._drawer.size) if type(self._drawer) is MemoryEnv else None

    def _begin(self, which: np.ndarray) -> None:
        self._world.carrying[which] = (EMPTY, 0, 0)
        self._world.step_count[which] = 0
        if self._memory_mazes is not None:
            random_length = self._drawer.random_length
            begin_memories(self._world, self._generators, which, self._memory_mazes, random_length, self._task_numbers)
            return
        rng = self._drawer.np_random  # lent to each environment in turn
        for b in which:
            set_generator(rng, self._generators[b])
            self._begin_by_minigrid(b)
            self._generators[b] = generator_to_words(rng)

    def _begin_by_minigrid(self, b: int) -> None:
        env = self._drawer
        # What MiniGridEnv.reset does, without the observation.
        env.agent_pos, env.agent_dir = (-1, -1), -1
        env._gen_grid(env.width, env.height)

        cells = env.grid.encode()  # [W, H, 3]
        for x, y in np.argwhere(cells[..., 0] == BOX):
            inside = env.grid.get(x, y).contains
            if inside is not None:
                cells[x, y, 2] = pack_box(OBJECT_TO_IDX[inside.type], COLOR_TO_IDX[inside.color])
        self._world.grid[b] = cells
        self._world.agent_pos[b] = env.agent_pos
        self._world.agent_dir[b] = env.agent_dir
        numbers = self._task.numbers(env)
        self._task_numbers[b, : len(numbers)] = numbers

    def _advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._play(actions)[1:]

    def _play(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        out, outcome = self._observations(), self._outcome()
        views = out if self.observation == "symbolic" else self._views
        self._step_and_view(
            self._drawer.max_steps,
            self._drawer.see_through_walls,
            self._world,
            self._task_numbers,
            actions,
            *outcome,
            views,
        )
        if self.observation == "pixels":
            draw_views(views, self._everyone, out)
        self._last_outcome = outcome
        return out, *outcome

    def _observe(self, which: np.ndarray, out: np.ndarray) -> None:
        views = out if self.observation == "symbolic" else self._views
        write_views(self._world, which, views, self._drawer.see_through_walls)
        if self.observation == "pixels":
            draw_views(views, which, out)

    def _final_info(self) -> dict[str, np.ndarray]:
        rewards, terminated, _ = self._last_outcome
        return {"is_success": terminated & (rewards > 0)}

    def _state_arrays(self) -> dict[str, np.ndarray]:
        return {**self._world._asdict(), "task_numbers": self._task_numbers}
