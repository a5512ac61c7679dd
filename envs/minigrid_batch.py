"""MiniGrid's own environments in batches: the same episodes, step for step, in compiled loops over arrays."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.envs import MemoryEnv
from minigrid.minigrid_env import MiniGridEnv

from reinstate.envs import minigrid_rules as rules
from reinstate.envs.engine.batch import ZERO, BatchEnv
from reinstate.envs.engine.grid import ACTION_NAMES, BOX, EMPTY_CELL, VIEW, empty_world, pack_box
from reinstate.envs.engine.loops import loops_of
from reinstate.envs.engine.pcg64 import generator_to_words, set_generator
from reinstate.envs.engine.pixels import canvas_of, observation_space_of
from reinstate.envs.naming import creator_of, make_from

MAX_VIEW = 61  # cells: a row of them is one integer of 64 bits


def minigrid_class(spec: EnvSpec) -> type[MiniGridEnv] | None:
    """The MiniGrid class that the specification makes, or None if it makes something else."""
    maker = creator_of(spec)
    return maker if inspect.isclass(maker) and issubclass(maker, MiniGridEnv) else None


def has_rules(spec: EnvSpec, options: dict[str, Any]) -> bool:
    """Whether `MiniGridVector` can play this environment with these keywords."""
    view_size = {**spec.kwargs, **options}.get("agent_view_size", VIEW)
    return minigrid_class(spec) in rules.TASKS and not spec.additional_wrappers and view_size <= MAX_VIEW


class MiniGridVector(BatchEnv):
    """B environments of one MiniGrid id.

    Observations are [V, V, 3] symbols or [8 V, 8 V, 3] pixels, V = 7 unless `agent_view_size` is another. On the last
    step of an episode `is_success` tells whether it was terminated with a reward. New episodes are drawn by MiniGrid
    itself, in one environment that is kept for it, from the generator of the environment that begins;
    MiniGrid-Memory's are drawn straight into arrays.
    """

    action_names = ACTION_NAMES

    def __init__(self, spec: EnvSpec, num_envs: int, observation: str, **options: Any):
        env: Any = make_from(spec, disable_env_checker=True, **options).unwrapped  # classes have their own attributes
        self._drawer = env
        self._task = rules.TASKS[type(env)]
        self._is_memory = type(env) is MemoryEnv
        space = observation_space_of(observation, env.agent_view_size)
        layout = rules.Layout(
            max_steps=env.max_steps,
            time_limit=min(env.max_steps, spec.max_episode_steps or env.max_steps),
            see_through_walls=env.see_through_walls,
            canvas=canvas_of(observation, env.agent_view_size),
            random_length=self._is_memory and env.random_length,
        )
        numbers = np.zeros(rules.TASK_NUMBERS, dtype=np.int64)
        state = rules.State(world=empty_world(env.width, env.height), task_numbers=numbers, success=ZERO)
        super().__init__(num_envs, layout, state, space, env.action_space)
        observe = rules.observe_of(observation, env.agent_view_size == VIEW)
        self.loops = loops_of(rules.reset_memory, rules.step_of(self._task.outcome, self._task.before), observe)

    def _start_episodes(self, which: np.ndarray) -> None:
        if self._is_memory:
            super()._start_episodes(which)
            return
        world, rng = self.state.world, self._drawer.np_random  # lent to each environment in turn
        world.carrying[which] = EMPTY_CELL
        world.step_count[which] = 0
        for b in which:
            set_generator(rng, self.generators[b])
            self._draw_by_minigrid(b)
            self.generators[b] = generator_to_words(rng)

    def _draw_by_minigrid(self, b: int) -> None:
        env, world = self._drawer, self.state.world
        # What MiniGridEnv.reset does, without the observation.
        env.agent_pos, env.agent_dir = (-1, -1), -1
        env._gen_grid(env.width, env.height)

        cells = env.grid.encode()  # [W, H, 3]
        for x, y in np.argwhere(cells[..., 0] == BOX):
            inside = env.grid.get(x, y).contains
            if inside is not None:
                cells[x, y, 2] = pack_box(OBJECT_TO_IDX[inside.type], COLOR_TO_IDX[inside.color])
        world.grid[b], world.agent_pos[b], world.agent_dir[b] = cells, env.agent_pos, env.agent_dir
        numbers = self._task.numbers(env)
        self.state.task_numbers[b, : len(numbers)] = numbers

    def final_info(self) -> dict[str, np.ndarray]:
        return {"is_success": self.state.success == 1}
