"""The protocols: what an agent is, what may be added to the update, and what a run must remember.

`Stateful` objects are saved as plain values: tensors, numbers, strings, lists and dicts of them. A class that inherits
from a protocol writes only the methods it needs: the others do nothing.
Letters: B environments, n decisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch
from torch import Tensor

from reinstate.memory.tensors import TensorStruct

if TYPE_CHECKING:
    from reinstate.agents.heads import ActorCriticHeads
    from reinstate.agents.networks import StateEncoder
    from reinstate.agents.options import LearningOptions
    from reinstate.agents.returns import AverageReward
    from reinstate.agents.rollout import Decision, Inputs, Rollout

State = TypeVar("State", bound=TensorStruct)  # an agent's


class Stateful(Protocol):
    """Something that a run must remember."""

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Restores the values of `state_dict`."""
        return None


class RolloutRecord(Stateful, Protocol):
    """What an agent notes during a rollout, beside the decisions, to replay them later."""

    def repeat(self, index: Tensor) -> None:
        """Environments `index` [n] begin the rollout with a decision of the last one, which is still open."""
        return None


@dataclass
class Replay:
    """Policy and critic at n decisions of a rollout, on the graph."""

    logits: Tensor  # [n, A]
    value: Tensor  # [n]
    log_scale: Tensor  # [n]: logarithm of the advantage scale
    remembered: Tensor | None = None  # [B, N, D]: slots written before the rollout


class Agent(Stateful, Protocol[State]):
    """An actor-critic. Its state between steps is a value: passed in and out, one row for each environment."""

    heads: ActorCriticHeads
    encode_state: StateEncoder

    @property
    def decides_every_step(self) -> bool:
        """True where its state changes even if what it perceives stays the same."""

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """All parameters, those that PPO does not train included."""

    def buffers(self) -> Iterator[torch.Tensor]:
        """Running statistics that acting needs."""

    def parameter_groups(self) -> list[list[torch.nn.Parameter]]:
        """The parameters that PPO trains. Each group's gradient is clipped by itself; the last group is the rest."""

    def initial_state(self, num_envs: int) -> State:
        """The state [B, ...] before the first step."""

    def act(
        self,
        inputs: Inputs,
        state: State,
        index: Tensor,
        generator: torch.Generator | None,
        record: RolloutRecord | None = None,
    ) -> tuple[Decision, State]:
        """Environments `index` [n], ascending, decide on `inputs` [n]. Do not use the state passed in again.

        Args:
            state: [B, ...], as `initial_state` gave it.
            generator: samples the actions; None takes the greedy ones.
            record: of the rollout, where the decisions are to be learnt from.

        Returns:
            The decisions [n], and the state after them [B, ...].
        """

    def extend_ranges(self, observation: Tensor) -> None:
        """Vectors [n, in] were seen: the scaling of observations follows their range. Called with the first ones of a
        run, and at the end of each update."""

    def begin_rollout(self, state: State) -> RolloutRecord:
        """Called before a rollout's first step: parameters have changed since the last one."""

    def replay(self, rollout: Rollout, picked: Tensor) -> Replay:
        """Runs the decisions `picked` [n] of a rollout again, under the present parameters, on the graph."""

    def send(self, rollout: Rollout, replay: Replay, first_epoch: bool) -> dict[str, float]:
        """Called after the backward pass, to carry on the gradients that autograd does not. Returns figures."""

    def figures(self, state: State, time: Tensor) -> dict[str, float]:
        """Figures of its state for the log; `time` [B] are the steps of the current episodes."""

    def describe(self, num_envs: int) -> str:
        """What it is and what it costs, in one line; empty where there is nothing to say."""


@dataclass(frozen=True)
class Update:
    """What all parts of one update share."""

    rollout: Rollout
    options: LearningOptions
    average: AverageReward  # what a step pays on average, and the horizon
    ent_coef: float  # coefficient of the entropy bonus, as scheduled
    progress: float  # of the run, from 0 to 1
    generator: torch.Generator


class LossTerm(Stateful, Protocol):
    """A loss that is added to PPO's in every epoch."""

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Its own, trained with the agent's."""
        return []

    def begin_update(self, update: Update) -> None:
        """Called once before the epochs of an update."""
        return None

    def loss(self, update: Update, log: dict[str, float]) -> Tensor | None:
        """The loss, a scalar, or None for nothing; figures go into `log`."""

    def episodes_ended(
        self, state: TensorStruct, index: Tensor, total: Tensor, length: Tensor, terminated: Tensor
    ) -> None:
        """The episodes of environments `index` [n] have ended.

        Args:
            state: [B, ...] the agent's state before the reset.
            total: [n] return.
            length: [n] steps.
            terminated: [n] bool, False where truncated.
        """
        return None

    def describe(self) -> str:
        """What it costs, in one line; empty where there is nothing to say."""
        return ""


class RewardBonus(Protocol):
    """Something that is paid beside the rewards."""

    def of_rollout(self, update: Update) -> Tensor:
        """The bonus [n] of each decision of the rollout."""


class SideLearner(Stateful, Protocol):
    """Something that learns from rollouts by a loss of its own, beside the update."""

    def learn(self, rollout: Rollout, generator: torch.Generator) -> dict[str, float]:
        """Learns from one rollout; returns figures for the log."""

    def describe(self) -> str:
        """What it costs, in one line; empty where there is nothing to say."""
        return ""


@dataclass(frozen=True)
class Extras:
    """What is learnt and paid beside PPO, in the order in which it is added."""

    terms: list[LossTerm]
    bonuses: list[RewardBonus]
    side_learners: list[SideLearner]
