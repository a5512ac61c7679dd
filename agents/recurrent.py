"""The recurrent controls: an LSTM or a GRU in place of the memory.

Letters: B environments, T steps, S state width, P parts of a cell's state, A actions.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reinstate.agents.heads import ActorCriticHeads
from reinstate.agents.interface import Replay, RolloutRecord
from reinstate.agents.memoryless import WithoutSlots
from reinstate.agents.networks import STATE_WIDTH, ObservationSpec, StateEncoder
from reinstate.agents.rollout import Decision, Inputs, Rollout
from reinstate.memory.tensors import TensorStruct


class Cell(nn.Module):
    """A recurrent cell of width S."""

    parts: int  # P

    @abstractmethod
    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """The next state [B, P, S] from inputs [B, S] and the state [B, P, S]; part 0 is the output."""


class LSTM(Cell):
    """Hidden and cell state."""

    parts = 2

    def __init__(self) -> None:
        super().__init__()
        self.cell = orthogonal_cell(nn.LSTMCell(STATE_WIDTH, STATE_WIDTH))

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        return torch.stack(self.cell(x, (state[:, 0], state[:, 1])), dim=1)


class GRU(Cell):
    """Hidden state only."""

    parts = 1

    def __init__(self) -> None:
        super().__init__()
        self.cell = orthogonal_cell(nn.GRUCell(STATE_WIDTH, STATE_WIDTH))

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        hidden: Tensor = self.cell(x, state[:, 0])
        return hidden[:, None]


CELLS: dict[str, type[Cell]] = {"lstm": LSTM, "gru": GRU}


def orthogonal_cell(cell: nn.Module) -> nn.Module:
    """Orthogonal weights and zero biases, in place."""
    for name, parameter in cell.named_parameters():
        if "weight" in name:
            nn.init.orthogonal_(parameter)
        else:
            nn.init.zeros_(parameter)
    return cell


@dataclass
class RecurrentState(TensorStruct):
    """The cell's state. The one at the start of a rollout is also its record: back-propagation stops there."""

    cell: Tensor  # [B, P, S]

    def repeat(self, index: Tensor) -> None:
        raise RuntimeError("a recurrent agent decides at every step: no decision is open when a rollout ends")


class RecurrentAgent(WithoutSlots):
    """A recurrent state, back-propagated within a rollout and cut at its start."""

    decides_every_step = True

    def __init__(self, spec: ObservationSpec, actions: int, cell: str) -> None:
        """`cell`: a key of CELLS."""
        super().__init__()
        self.encode_state = StateEncoder(spec, actions, STATE_WIDTH)
        self.cell = CELLS[cell]()
        self.heads = ActorCriticHeads(STATE_WIDTH, actions)

    def initial_state(self, num_envs: int) -> RecurrentState:
        return RecurrentState(torch.zeros(num_envs, self.cell.parts, STATE_WIDTH))

    @torch.no_grad()
    def act(
        self,
        inputs: Inputs,
        state: RecurrentState,
        index: Tensor,
        generator: torch.Generator | None,
        record: RolloutRecord | None = None,
    ) -> tuple[Decision, RecurrentState]:
        x = self.encode_state(inputs.unique, inputs.prev_action, inputs.prev_reward)
        rows = self._advance(x, state.cell[index], inputs.is_first)
        decision = self.decide(rows[:, 0], inputs.time, generator)
        return decision, RecurrentState(state.cell.index_copy(0, index, rows))

    def begin_rollout(self, state: RecurrentState) -> RecurrentState:
        return state.clone()

    def replay(self, rollout: Rollout, picked: Tensor) -> Replay:
        """Runs every step again, in order, and returns the picked ones."""
        assert isinstance(rollout.record, RecurrentState)
        i, shape = rollout.inputs, (rollout.steps, rollout.num_envs)
        x = self.encode_state(i.unique, i.prev_action, i.prev_reward).view(*shape, -1)
        is_first = i.is_first.view(shape)
        state, hidden = rollout.record.cell, []
        for t in range(rollout.steps):
            state = self._advance(x[t], state, is_first[t])
            hidden.append(state[:, 0])
        return Replay(*self.heads(torch.cat(hidden)[picked], i.time[picked]))

    def _advance(self, x: Tensor, state: Tensor, is_first: Tensor) -> Tensor:
        state = torch.where(is_first[:, None, None], 0.0, state)  # fresh memory before the forward pass
        after: Tensor = self.cell(x, state)
        return after
