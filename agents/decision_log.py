"""The decisions of a chunk as they are made, and what follows on each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from agents.chunk import Chunk, Decision, Inputs

NOWHERE = -1


@dataclass
class Held:
    """Decisions of m environments whose action is still held when a chunk ends: the next chunk goes on with them."""

    env: np.ndarray  # [m]
    inputs: Inputs  # [m] that they were made on, but for the observation, which is still the one that is seen
    decision: Decision  # [m], none of them novel: their slots are older than the next chunk
    reward: np.ndarray  # [m] so far
    duration: np.ndarray  # [m] so far


class DecisionLog:
    """Grows by the decisions of a step; every decision stays open until its environment's next one."""

    def __init__(self, num_envs: int, steps: int) -> None:
        most = num_envs * (steps + 1)  # what the last chunk left open, too
        self.inputs: list[Inputs] = []
        self.decisions: list[Decision] = []
        self.reward = np.zeros(most, dtype=np.float32)
        self.duration = np.zeros(most, dtype=np.float32)
        self.next_value = np.zeros(most, dtype=np.float32)
        self.follow = np.full(most, NOWHERE)
        self.terminal = np.zeros(most, dtype=bool)
        self.complete = np.zeros(most, dtype=bool)
        self.open = np.full(num_envs, NOWHERE)  # [B] the decision that each environment's steps belong to
        self.size, self.steps = 0, 0

    def add(self, env: np.ndarray, inputs: Inputs, decision: Decision) -> None:
        """Environments `env` [n] decide."""
        rows = np.arange(self.size, self.size + len(env))
        before = self.open[env]
        known = before != NOWHERE
        self.close(env[known], decision.value.numpy()[known])
        self.follow[before[known]] = rows[known]
        self.open[env] = rows
        self.inputs.append(inputs)
        self.decisions.append(decision)
        self.size += len(env)

    def go_on(self, held: Held, observation: np.ndarray) -> None:
        """Takes up what the last chunk left open; `observation` [B, ...] is what all environments see now."""
        seen = torch.from_numpy(observation[held.env])
        self.add(held.env, replace(held.inputs, observation=seen), held.decision)
        self.reward[: self.size] = held.reward
        self.duration[: self.size] = held.duration

    def pay(self, reward: np.ndarray) -> None:
        """Every environment has taken a step with this reward [B]."""
        self.reward[self.open] += reward
        self.duration[self.open] += 1
        self.steps += 1

    def close(self, env: np.ndarray, next_value: np.ndarray | float) -> None:
        """What comes after the open decisions of environments `env` [n] is worth `next_value` [n]."""
        rows = self.open[env]
        self.next_value[rows] = next_value
        self.complete[rows] = True
        self.open[env] = NOWHERE

    def terminate(self, env: np.ndarray) -> None:
        """Nothing comes after the open decisions of environments `env` [n]."""
        self.terminal[self.open[env]] = True
        self.close(env, 0.0)

    def still_open(self) -> Held:
        env = np.flatnonzero(self.open != NOWHERE)
        rows = torch.from_numpy(self.open[env])
        d = self._all_decisions()
        fields = (d.action, d.log_prob, d.value, d.scale, torch.zeros_like(d.novel), d.code)
        decision = Decision(*(x[rows] for x in fields))
        inputs = self._all_inputs()
        inputs = replace(inputs.rows(rows), observation=torch.empty(0))
        return Held(env, inputs, decision, self.reward[self.open[env]], self.duration[self.open[env]])

    def _all_inputs(self) -> Inputs:
        fields = ("observation", "prev_action", "prev_reward", "is_first", "time", "paid")
        return Inputs(*(torch.cat([getattr(x, f) for x in self.inputs]) for f in fields))

    def _all_decisions(self) -> Decision:
        fields = ("action", "log_prob", "value", "scale", "novel", "code")
        return Decision(*(torch.cat([getattr(d, f) for d in self.decisions]) for f in fields))

    def chunk(self) -> Chunk:
        """All decisions so far."""
        d, n = self._all_decisions(), self.size
        return Chunk(
            inputs=self._all_inputs(),
            action=d.action,
            log_prob=d.log_prob,
            value=d.value,
            scale=d.scale,
            novel=d.novel,
            code=d.code,
            reward=torch.from_numpy(self.reward[:n]),
            duration=torch.from_numpy(self.duration[:n]),
            next_value=torch.from_numpy(self.next_value[:n]),
            terminal=torch.from_numpy(self.terminal[:n]),
            follow=torch.from_numpy(self.follow[:n]),
            complete=torch.from_numpy(self.complete[:n]),
            steps=self.steps,
            num_envs=len(self.open),
        )
