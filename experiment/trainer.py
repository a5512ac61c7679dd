"""Training as a value: everything that changes while an agent learns, and one step of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reinstate.agents.build import build_extras
from reinstate.agents.collector import RolloutStopped, collect, stagger, start_collecting
from reinstate.agents.interface import Agent, Stateful
from reinstate.agents.ppo import build_learner, update
from reinstate.agents.rollout import EpisodeEnd, Rollout
from reinstate.envs.engine.batch import BatchEnv
from reinstate.envs.others import OthersVector
from reinstate.envs.seeds import spawn_seeds
from reinstate.experiment.build import build_envs, generator, streams
from reinstate.experiment.options import RunOptions


class Trainer:
    """Environments, agent, learner and collector of one run."""

    def __init__(self, options: RunOptions, agent: Agent[Any], begins: bool = True) -> None:
        """Builds everything around `agent` from the options and their seed.

        Args:
            begins: False where a state will be loaded: the staggered resets are then left out.
        """
        self.options, self.agent = options, agent
        seeds = streams(options.seed)
        learning = generator(seeds["learning"])
        self.learner = build_learner(agent, build_extras(agent, options.learning, learning), options.learning, learning)
        self.envs = build_envs(options, options.num_envs)
        training_seeds = spawn_seeds(options.seed, options.num_envs, "training")
        actions, repeat = generator(seeds["actions"]), options.learning.action_repeat
        self.collector = start_collecting(self.envs, agent, training_seeds, actions, repeat)
        if begins:
            agent.extend_ranges(torch.from_numpy(self.collector.observation))
        if begins and options.stagger_steps > 0:
            stagger(self.envs, self.collector, options.stagger_steps, seeds["stagger"])
        self.envs_failed = False  # in the middle of a step: their state is not known
        self.restarted = 0  # environments whose episode could not be restored

    @property
    def steps_done(self) -> int:
        """Environment steps so far."""
        return self.collector.steps_done

    def step(self, stop: Callable[[], bool] = lambda: False) -> tuple[dict[str, float], list[EpisodeEnd]]:
        """Collects one rollout and learns from it; returns figures for the log, and the episodes that ended.

        Raises:
            RolloutStopped: `stop`, asked at each step of the environments, said so. The next step goes on from there.
        """
        o, c, extras = self.options, self.collector, self.learner.extras
        progress = c.begun_at / o.total_timesteps
        left = -(-(o.total_timesteps - c.begun_at) // o.num_envs)
        steps = min(o.learning.rollout_steps, left)
        rollout = self.collect(steps, stop)
        log = update(self.agent, rollout, self.learner, progress)
        for learner in extras.side_learners:
            log |= learner.learn(rollout, self.learner.generator)
        log |= self.agent.figures(c.agent_state, torch.from_numpy(c.lengths))
        decided = float(rollout.outcome.closed.sum()) / (rollout.steps * rollout.num_envs)
        return log | {"rollout/decisions_per_step": decided}, rollout.episodes

    def collect(self, steps: int, stop: Callable[[], bool]) -> Rollout:
        """One rollout of at most `steps` steps."""
        decisions, terms = self.options.learning.rollout_decisions, self.learner.extras.terms
        self.envs_failed = True
        try:
            rollout = collect(self.envs, self.agent, self.collector, steps, decisions, terms, stop)
        except RolloutStopped:
            self.envs_failed = False
            raise
        self.envs_failed = False
        return rollout

    def describe(self) -> list[str]:
        """What the parts are and what they cost, a line each."""
        extras = self.learner.extras
        lines = [self.agent.describe(self.options.num_envs)]
        lines += [side_learner.describe() for side_learner in extras.side_learners]
        lines += [term.describe() for term in extras.terms]
        return [line for line in lines if line]

    def parts(self) -> dict[str, Stateful]:
        """Everything that a run must remember, by name, in the order in which it is loaded."""
        return {
            "agent": self.agent,
            "learner": self.learner,
            "collector": self.collector,
            "envs": SavedEnvs(self),
        }

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {name: part.state_dict() for name, part in self.parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        for name, part in self.parts().items():
            part.load_state_dict(state[name])

    def restart(self, index: np.ndarray) -> None:
        """Begins new episodes in the environments `index` [n], with seeds of their own."""
        self.restarted = len(index)
        if len(index) == 0:
            return
        mask = np.zeros(self.envs.num_envs, dtype=bool)
        mask[index] = True
        seeds = spawn_seeds(self.options.seed + self.steps_done, self.envs.num_envs, "training")
        observation, _ = self.envs.reset(seed=seeds, options={"reset_mask": mask})  # type: ignore[arg-type]
        self.collector.restart(index, observation[index])


class SavedEnvs(Stateful):
    """The environments of a trainer as a part of its state. Those that cannot be restored begin new episodes."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def state_dict(self) -> dict[str, Any]:
        envs = self.trainer.envs
        if self.trainer.envs_failed:
            return {"envs": None}
        if isinstance(envs, BatchEnv):
            return {"envs": as_tensors(envs.get_state())}
        assert isinstance(envs, OthersVector)
        return {"envs": as_tensors(envs.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        envs, saved = self.trainer.envs, state["envs"]
        if saved is None:
            self.trainer.restart(np.arange(envs.num_envs))
        elif isinstance(envs, BatchEnv):
            envs.set_state(as_arrays(saved))
        else:
            assert isinstance(envs, OthersVector)
            self.trainer.restart(np.array(envs.load_state_dict(as_arrays(saved)), dtype=np.int64))


def as_tensors(state: Any) -> Any:
    """A nested state with tensors in place of arrays."""
    return mapped(state, np.ndarray, torch.from_numpy)


def as_arrays(state: Any) -> Any:
    """A nested state with arrays in place of tensors."""
    return mapped(state, Tensor, Tensor.numpy)


def mapped(state: Any, kind: type, f: Callable[[Any], Any]) -> Any:
    """A nested state with `f` applied to everything of a kind."""
    if isinstance(state, dict):
        return {key: mapped(value, kind, f) for key, value in state.items()}
    if isinstance(state, list):
        return [mapped(value, kind, f) for value in state]
    return f(state) if isinstance(state, kind) else state
