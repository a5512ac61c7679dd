"""Running figures of a training run, which forget slowly: chunks of the last twenty or so count."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

DECAY = 0.95  # by each chunk
EPISODES = 256  # that count for the usual length
SMALLEST_STD = 1e-4


@dataclass
class Income:
    """What a step earns on average: the going rate of reward."""

    reward: float = 0.0
    steps: float = 0.0

    def add(self, reward: float, steps: float) -> None:
        self.reward, self.steps = DECAY * self.reward + reward, DECAY * self.steps + steps

    @property
    def rate(self) -> float:
        return self.reward / self.steps if self.steps > 0 else 0.0


@dataclass
class EpisodeLength:
    """How long episodes last, in steps."""

    mean: float = 0.0
    count: int = 0

    def add(self, lengths: list[int], steps: int) -> None:
        """`lengths` of the episodes that ended in a chunk of `steps` steps. While none has ended, the steps of
        all chunks so far count."""
        if self.count == 0:
            self.mean = self.mean + steps if not lengths else 0.0
        for length in lengths:
            self.count += 1
            self.mean += (length - self.mean) / min(self.count, EPISODES)


@dataclass
class Moments:
    """Mean and deviation of what was added."""

    total: float = 0.0
    squares: float = 0.0
    weight: float = 0.0

    def add(self, x: Tensor) -> None:
        """`x` [n] weighs the same whatever n is."""
        self.total = DECAY * self.total + float(x.mean())
        self.squares = DECAY * self.squares + float(x.square().mean())
        self.weight = DECAY * self.weight + 1

    @property
    def mean(self) -> float:
        return self.total / self.weight

    @property
    def std(self) -> float:
        """Never less than SMALLEST_STD."""
        return max(self.squares / self.weight - self.mean**2, SMALLEST_STD**2) ** 0.5
