"""Running statistics of a training run: about the last twenty rollouts count."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from torch import Tensor

DECAY = 0.95  # of the sums, at each rollout
EPISODES = 256  # about this many of the last episodes count for their mean length
SMALLEST_STD = 1e-4  # reward units


class Statistic:
    """Base of dataclasses of numbers: their state is those numbers."""

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers by name."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        for f in fields(self):  # type: ignore[arg-type]
            setattr(self, f.name, state[f.name])


@dataclass
class RewardRate(Statistic):
    """The average reward of a step: rho."""

    reward: float = 0.0
    steps: float = 0.0

    def add(self, reward: float, steps: float) -> None:
        """Adds the rewards of a rollout and its steps."""
        self.reward, self.steps = DECAY * self.reward + reward, DECAY * self.steps + steps

    def change_unit(self, factor: float) -> None:
        """Rewards are `factor` times what they were."""
        self.reward *= factor

    @property
    def rate(self) -> float:
        """Reward of a step; 0 before there is any."""
        return self.reward / self.steps if self.steps > 0 else 0.0


@dataclass
class EpisodeLength(Statistic):
    """How long episodes last, in steps."""

    mean: float = 0.0
    count: int = 0

    def add(self, lengths: list[int], steps: int) -> None:
        """`lengths` of the episodes that ended in a rollout of `steps` steps. While none has ended, the steps of
        all rollouts so far count."""
        if self.count == 0:
            self.mean = self.mean + steps if not lengths else 0.0
        for length in lengths:
            self.count += 1
            self.mean += (length - self.mean) / min(self.count, EPISODES)


@dataclass
class RunningMoments(Statistic):
    """Running mean and deviation."""

    total: float = 0.0
    squares: float = 0.0
    weight: float = 0.0

    def add(self, x: Tensor) -> None:
        """Adds `x` [n], which weighs the same whatever n is."""
        self.total = DECAY * self.total + float(x.mean())
        self.squares = DECAY * self.squares + float(x.square().mean())
        self.weight = DECAY * self.weight + 1

    def change_unit(self, factor: float) -> None:
        """All values are `factor` times what they were."""
        self.total *= factor
        self.squares *= factor**2

    @property
    def mean(self) -> float:
        """Running mean."""
        return self.total / self.weight

    @property
    def std(self) -> float:
        """Running deviation, at least SMALLEST_STD."""
        return float(max(self.squares / self.weight - self.mean**2, SMALLEST_STD**2) ** 0.5)
