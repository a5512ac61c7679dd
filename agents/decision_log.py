"""The decisions of a chunk as they are made, and what follows on each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from reinstate.agents.chunk import Chunk, Decision, Inputs

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

    def chunk(self) -> Chunk:
        """All decisions so far."""
        n = self.size
        seen = ("observation", "prev_action", "prev_reward", "is_first", "time", "paid")
        decided = ("action", "log_prob", "value", "scale", "novel", "code")
        return Chunk(
            inputs=Inputs(*(torch.cat([getattr(x, f) for x in self.inputs]) for f in seen)),
            **{f: torch.cat([getattr(d, f) for d in self.decisions]) for f in decided},
            reward=torch.from_numpy(self.reward[:n]),
            duration=torch.from_numpy(self.duration[:n]),
            next_value=torch.from_numpy(self.next_value[:n]),
            terminal=torch.from_numpy(self.terminal[:n]),
            follow=torch.from_numpy(self.follow[:n]),
            complete=torch.from_numpy(self.complete[:n]),
            steps=self.steps,
            num_envs=len(self.open),
        )

    def still_open(self, chunk: Chunk) -> Held:
        """What `chunk`, all decisions so far, leaves open."""
        env = np.flatnonzero(self.open != NOWHERE)
        open_rows = self.open[env]
        rows = torch.from_numpy(open_rows)
        i, novel = chunk.inputs, torch.zeros(len(rows), dtype=torch.bool)
        inputs = Inputs(torch.empty(0), *(x[rows] for x in (i.prev_action, i.prev_reward, i.is_first, i.time, i.paid)))
        action, log_prob, value, scale, code = (
            x[rows] for x in (chunk.action, chunk.log_prob, chunk.value, chunk.scale, chunk.code)
        )
        decision = Decision(action, log_prob, value, scale, novel, code)
        return Held(env, inputs, decision, self.reward[open_rows], self.duration[open_rows])
