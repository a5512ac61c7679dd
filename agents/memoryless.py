"""The control without a memory.

Letters: B environments, n decisions, A actions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reinstate.agents.heads import ActorCriticHeads, choose, scale_of
from reinstate.agents.interface import Replay, RolloutRecord
from reinstate.agents.networks import STATE_WIDTH, ObservationSpec, StateEncoder, extend_ranges
from reinstate.agents.rollout import Decision, Inputs, Rollout
from reinstate.memory.tensors import TensorStruct


@dataclass
class NoState(TensorStruct):
    """Nothing, for each environment."""

    nothing: Tensor  # [B, 0]


class NoRecord(RolloutRecord):
    """Nothing to note: the decisions are enough."""


class WithoutSlots(nn.Module):
    """What agents without slots have in common: heads on features, and nothing to send."""

    heads: ActorCriticHeads
    encode_state: StateEncoder

    def parameter_groups(self) -> list[list[nn.Parameter]]:
        return [[], list(self.parameters())]

    def extend_ranges(self, observation: Tensor) -> None:
        extend_ranges(self, observation)

    def send(self, rollout: Rollout, replay: Replay, first_epoch: bool) -> dict[str, float]:
        return {}

    def figures(self, state: TensorStruct, time: Tensor) -> dict[str, float]:
        return {}

    def describe(self, num_envs: int) -> str:
        return ""

    def decide(self, features: Tensor, time: Tensor, generator: torch.Generator | None) -> Decision:
        """Decisions [n] from features [n, in]; nothing is written."""
        logits, value, log_scale = self.heads(features, time)
        action, log_prob = choose(logits, generator)
        nothing = torch.zeros_like(action)
        unit = self.encode_state.unit.size.expand_as(value).clone()
        return Decision(action, log_prob, value, scale_of(log_scale), nothing.bool(), nothing, unit)


class MemorylessAgent(WithoutSlots):
    """Sees the current observation, the previous action and the previous reward; keeps no state."""

    decides_every_step = False

    def __init__(self, spec: ObservationSpec, actions: int) -> None:
        super().__init__()
        self.encode_state = StateEncoder(spec, actions, STATE_WIDTH)
        self.heads = ActorCriticHeads(STATE_WIDTH, actions)

    def initial_state(self, num_envs: int) -> NoState:
        return NoState(torch.zeros(num_envs, 0))

    @torch.no_grad()
    def act(
        self,
        inputs: Inputs,
        state: NoState,
        index: Tensor,
        generator: torch.Generator | None,
        record: RolloutRecord | None = None,
    ) -> tuple[Decision, NoState]:
        return self.decide(self._features(inputs), inputs.time, generator), state

    def begin_rollout(self, state: NoState) -> NoRecord:
        return NoRecord()

    def replay(self, rollout: Rollout, picked: Tensor) -> Replay:
        inputs = rollout.inputs.take(picked)
        return Replay(*self.heads(self._features(inputs), inputs.time))

    def _features(self, inputs: Inputs) -> Tensor:
        features: Tensor = self.encode_state(inputs.unique, inputs.prev_action, inputs.prev_reward)
        return features
