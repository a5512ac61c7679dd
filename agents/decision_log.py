"""The decisions of a rollout as they are made, and what follows on each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reinstate.agents.interface import RolloutRecord
from reinstate.agents.rollout import Decision, EpisodeEnd, Inputs, Outcome, Rollout
from reinstate.memory.tensors import TensorStruct

NONE = -1
ARRAYS = ("reward", "duration", "next_value", "follow", "terminal", "closed")


@dataclass
class Pending(TensorStruct):
    """Decisions of m environments that are still open when a rollout ends: the next rollout continues them."""

    env: Tensor  # [m] int64
    inputs: Inputs  # [m] that they were made on; the observation is still the current one, and left out ([m, 0])
    decision: Decision  # [m], none of which wrote: their slots are older than the next rollout
    reward: Tensor  # [m] so far
    duration: Tensor  # [m] so far

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> Pending:
        """From the values of `state_dict`."""
        parts = {"inputs": Inputs(**state["inputs"]), "decision": Decision(**state["decision"])}
        return cls(**{**state, **parts}).clone()

    def without(self, env: Tensor) -> Pending:
        """The decisions of all environments but `env` [k]."""
        return self.take(~torch.isin(self.env, env))


class DecisionLog:
    """Grows by the decisions of a step; every decision stays open until its environment's next one."""

    def __init__(self, num_envs: int, steps: int) -> None:
        """For a rollout of at most `steps` steps."""
        most = num_envs * (steps + 1)  # with those that the last rollout left open
        self.inputs: list[Inputs] = []
        self.decisions: list[Decision] = []
        self.reward = np.zeros(most, dtype=np.float32)
        self.duration = np.zeros(most, dtype=np.float32)
        self.next_value = np.zeros(most, dtype=np.float32)
        self.follow = np.full(most, NONE)
        self.terminal = np.zeros(most, dtype=bool)
        self.closed = np.zeros(most, dtype=bool)
        self.open = np.full(num_envs, NONE)  # [B] the open decision of each environment
        self.size, self.steps = 0, 0
        self.largest = 0.0  # size of a step's reward

    def add(self, env: np.ndarray, inputs: Inputs, decision: Decision) -> None:
        """Environments `env` [n] decide."""
        rows = np.arange(self.size, self.size + len(env))
        before = self.open[env]
        known = before != NONE
        self.close(env[known], decision.value.numpy()[known])
        self.follow[before[known]] = rows[known]
        self.open[env] = rows
        self.inputs.append(inputs)
        self.decisions.append(decision)
        self.size += len(env)

    def resume(self, pending: Pending, observation: np.ndarray) -> None:
        """Continues the open decisions of the last rollout; `observation` [B, ...] is the current one."""
        env = pending.env.numpy()
        seen = torch.from_numpy(observation[env])
        self.add(env, replace(pending.inputs, observation=seen), pending.decision)
        self.reward[: self.size] = pending.reward.numpy()
        self.duration[: self.size] = pending.duration.numpy()

    def pay(self, reward: np.ndarray) -> None:
        """Every environment has taken a step with this reward [B]."""
        self.reward[self.open] += reward
        self.duration[self.open] += 1
        self.largest = max(self.largest, float(np.abs(reward).max()))
        self.steps += 1

    def close(self, env: np.ndarray, next_value: np.ndarray | float) -> None:
        """Closes the open decisions of environments `env` [n]; the value of what comes next is `next_value` [n]."""
        rows = self.open[env]
        self.next_value[rows] = next_value
        self.closed[rows] = True
        self.open[env] = NONE

    def terminate(self, env: np.ndarray) -> None:
        """Closes the open decisions of environments `env` [n], whose episodes have terminated."""
        self.terminal[self.open[env]] = True
        self.close(env, 0.0)

    def rollout(self, record: RolloutRecord, episodes: list[EpisodeEnd]) -> Rollout:
        """All decisions so far."""
        arrays = (self.reward, self.duration, self.next_value, self.terminal, self.follow, self.closed)
        return Rollout(
            inputs=Inputs.cat(self.inputs),
            decision=Decision.cat(self.decisions),
            outcome=Outcome(*(torch.from_numpy(a[: self.size]) for a in arrays)),
            steps=self.steps,
            num_envs=len(self.open),
            largest_reward=self.largest,
            record=record,
            episodes=episodes,
        )

    def pending(self, rollout: Rollout) -> Pending:
        """What `rollout`, all decisions so far, leaves open."""
        env = np.flatnonzero(self.open != NONE)
        rows = torch.from_numpy(self.open[env])
        inputs = replace(rollout.inputs, observation=torch.empty(len(rollout.inputs.time), 0)).take(rows)
        decision = rollout.decision.take(rows)
        decision.wrote[:] = False
        outcome = rollout.outcome.take(rows)
        return Pending(torch.from_numpy(env), inputs, decision, outcome.reward, outcome.duration)

    def state_dict(self) -> dict[str, Any]:
        """Plain values of a rollout that is not complete."""
        return {
            "inputs": Inputs.cat(self.inputs).state_dict() if self.inputs else None,
            "decisions": Decision.cat(self.decisions).state_dict() if self.decisions else None,
            **{name: torch.from_numpy(getattr(self, name)[: self.size].copy()) for name in ARRAYS},
            "open": torch.from_numpy(self.open.copy()),
            "steps": self.steps,
            "largest": self.largest,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        self.size, self.steps, self.largest = len(state["reward"]), state["steps"], state["largest"]
        for name in ARRAYS:
            getattr(self, name)[: self.size] = state[name].numpy()
        self.open[:] = state["open"].numpy()
        if self.size > 0:
            self.inputs, self.decisions = [Inputs(**state["inputs"])], [Decision(**state["decisions"])]
