"""The controls: no memory at all, and an LSTM. Same interface, same trainer.

Letters: B environments, T steps, n decisions, S state width, A actions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reinstate.agents.chunk import Chunk, Decision, Inputs
from reinstate.agents.encoders import ObservationSpec, StateEncoder
from reinstate.agents.heads import ActorCriticHeads, choose
from reinstate.agents.memory_agent import STATE_WIDTH
from reinstate.agents.replay import Replay, pick


def decide(logits: Tensor, value: Tensor, log_scale: Tensor, generator: torch.Generator | None) -> Decision:
    """The decision of an agent without slots: nothing is written."""
    action, log_prob = choose(logits, generator)
    nothing = torch.zeros_like(action)
    return Decision(action, log_prob, value, log_scale.exp(), novel=nothing.bool(), code=nothing)


class MemorylessAgent(nn.Module):
    """Sees the current observation, the previous action and the previous reward; keeps no state."""

    decides_at_every_step = False

    def __init__(self, spec: ObservationSpec, actions: int) -> None:
        super().__init__()
        self.encode_state = StateEncoder(spec, actions, STATE_WIDTH)
        self.heads = ActorCriticHeads(STATE_WIDTH, actions)

    def initial_state(self, num_envs: int) -> Tensor:
        return torch.zeros(num_envs, 0)

    @torch.no_grad()
    def act(
        self, inputs: Inputs, state: Tensor, index: Tensor, generator: torch.Generator | None, record: object = None
    ) -> tuple[Decision, Tensor]:
        return decide(*self._outcome(inputs), generator), state

    def _outcome(self, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
        features = self.encode_state(inputs.distinct, inputs.prev_action, inputs.prev_reward)
        return self.heads(features, inputs.time)

    def begin_chunk(self, state: Tensor) -> None:
        return None

    def replay(self, chunk: Chunk, most: int, generator: torch.Generator) -> Replay:
        picked = pick(chunk, most, generator)
        return Replay(picked, *self._outcome(chunk.inputs.rows(picked)))


class LSTMAgent(nn.Module):
    """A recurrent state [B, 2, S] (hidden and cell), back-propagated within a chunk and cut at its start."""

    decides_at_every_step = True

    def __init__(self, spec: ObservationSpec, actions: int) -> None:
        super().__init__()
        self.encode_state = StateEncoder(spec, actions, STATE_WIDTH)
        self.cell = nn.LSTMCell(STATE_WIDTH, STATE_WIDTH)
        for name, parameter in self.cell.named_parameters():
            if "weight" in name:
                nn.init.orthogonal_(parameter)
            else:
                nn.init.zeros_(parameter)
        self.heads = ActorCriticHeads(STATE_WIDTH, actions)

    def initial_state(self, num_envs: int) -> Tensor:
        return torch.zeros(num_envs, 2, STATE_WIDTH)

    @torch.no_grad()
    def act(
        self, inputs: Inputs, state: Tensor, index: Tensor, generator: torch.Generator | None, record: object = None
    ) -> tuple[Decision, Tensor]:
        x = self.encode_state(inputs.distinct, inputs.prev_action, inputs.prev_reward)
        rows = self._advance(x, state[index], inputs.is_first)
        return decide(*self.heads(rows[:, 0], inputs.time), generator), state.index_copy(0, index, rows)

    def _advance(self, x: Tensor, state: Tensor, is_first: Tensor) -> Tensor:
        state = torch.where(is_first[:, None, None], 0.0, state)  # fresh memory before the forward pass
        hidden, cell = self.cell(x, (state[:, 0], state[:, 1]))
        return torch.stack([hidden, cell], dim=1)

    def begin_chunk(self, state: Tensor) -> Tensor:
        return state.clone()

    def replay(self, chunk: Chunk, most: int, generator: torch.Generator) -> Replay:
        i = chunk.inputs  # every step of every environment, step by step
        x = self.encode_state(i.distinct, i.prev_action, i.prev_reward).view(chunk.steps, chunk.num_envs, -1)
        is_first = i.is_first.view(chunk.steps, chunk.num_envs)
        state, hidden = chunk.start, []
        for t in range(chunk.steps):
            state = self._advance(x[t], state, is_first[t])
            hidden.append(state[:, 0])
        return Replay(torch.arange(len(chunk.action)), *self.heads(torch.cat(hidden), i.time))
