"""Training as a value: everything that changes while an agent learns, and one step of it."""

from __future__ import annotations

from typing import Any

import torch

from reinstate.agents.build import build_extras
from reinstate.agents.collector import collect, stagger, start_collecting
from reinstate.agents.interface import Agent, Stateful
from reinstate.agents.ppo import build_learner, update
from reinstate.agents.rollout import EpisodeEnd
from reinstate.envs.engine.batch import BatchEnv
from reinstate.envs.seeds import spawn_seeds
from reinstate.experiment.build import build_envs, generator, streams
from reinstate.experiment.options import RunOptions


class Trainer:
    """Environments, agent, learner and collector of one run."""

    def __init__(self, options: RunOptions, agent: Agent[Any]) -> None:
        """Builds everything around `agent` from the options and their seed."""
        self.options, self.agent = options, agent
        seeds = streams(options.seed)
        learning = generator(seeds["learning"])
        self.learner = build_learner(agent, build_extras(agent, options.learning, learning), options.learning, learning)
        self.envs = build_envs(options, options.num_envs)
        training_seeds = spawn_seeds(options.seed, options.num_envs, "training")
        actions, repeat = generator(seeds["actions"]), options.learning.action_repeat
        self.collector = start_collecting(self.envs, agent, training_seeds, actions, repeat)
        agent.extend_ranges(torch.from_numpy(self.collector.observation))
        if options.stagger_steps > 0:
            stagger(self.envs, self.collector, options.stagger_steps, seeds["stagger"])

    @property
    def steps_done(self) -> int:
        """Environment steps so far."""
        return self.collector.steps_done

    def step(self) -> tuple[dict[str, float], list[EpisodeEnd]]:
        """Collects one rollout and learns from it; returns figures for the log, and the episodes that ended."""
        o, c, extras = self.options, self.collector, self.learner.extras
        progress = c.steps_done / o.total_timesteps
        left = -(-(o.total_timesteps - c.steps_done) // o.num_envs)
        steps = min(o.learning.rollout_steps, left)
        rollout = collect(self.envs, self.agent, c, steps, o.learning.rollout_decisions, extras.terms)
        log = update(self.agent, rollout, self.learner, progress)
        for learner in extras.side_learners:
            log |= learner.learn(rollout, self.learner.generator)
        log |= self.agent.figures(c.agent_state, torch.from_numpy(c.lengths))
        decided = float(rollout.outcome.closed.sum()) / (rollout.steps * rollout.num_envs)
        return log | {"rollout/decisions_per_step": decided}, rollout.episodes

    def describe(self) -> list[str]:
        """What the parts are and what they cost, a line each."""
        extras = self.learner.extras
        lines = [self.agent.describe(self.options.num_envs)]
        lines += [side_learner.describe() for side_learner in extras.side_learners]
        lines += [term.describe() for term in extras.terms]
        return [line for line in lines if line]

    def state_dict(self) -> dict[str, Any]:
        """Plain values. Batched environments are among them; others cannot be saved, and are left out."""
        state = {name: part.state_dict() for name, part in self.parts().items()}
        if isinstance(self.envs, BatchEnv):
            state["envs"] = {name: torch.from_numpy(array) for name, array in self.envs.get_state().items()}
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        for name, part in self.parts().items():
            part.load_state_dict(state[name])
        if isinstance(self.envs, BatchEnv):
            self.envs.set_state({name: tensor.numpy() for name, tensor in state["envs"].items()})

    def parts(self) -> dict[str, Stateful]:
        """Everything that a run must remember, by name."""
        return {"agent": self.agent, "learner": self.learner, "collector": self.collector}
