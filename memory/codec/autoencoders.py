"""What an autoencoder with a binary bottleneck offers to the codec; one file for each kind of observation."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn


class Coder(nn.Module):
    """A frozen autoencoder: observations to packed bits and back."""

    @abstractmethod
    def encode(self, frames: Tensor) -> Tensor:
        """Codes [n, C] uint8 of frames [n, ...]."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Frames [n, ...] from codes [n, C] uint8."""

    @abstractmethod
    def fidelity(self, frames: Tensor, codes: Tensor) -> Tensor:
        """Share [n] of each frame that its code decodes correctly."""

    def figures(self) -> dict[str, float]:
        """Figures for the log."""
        return {}


class Autoencoder(nn.Module):
    """A coder in training."""

    @property
    @abstractmethod
    def code_bytes(self) -> int:
        """C."""

    @abstractmethod
    def begin(self, generator: torch.Generator | None = None) -> None:
        """Draws the parameters anew."""

    def restart(self) -> None:
        """The scaling of observations has changed."""

    @property
    def outgrown(self) -> bool:
        """Whether it should restart for what the range of observations has become."""
        return False

    @property
    def batch_size(self) -> int:
        """Rows of the training set in a batch."""
        return 256

    @abstractmethod
    def training_set(self, frames: Tensor) -> Tensor:
        """What batches are drawn from, [m, ...], given frames [n, ...]."""

    @abstractmethod
    def loss(self, batch: Tensor) -> Tensor:
        """The loss, a scalar, of rows of the training set."""

    @abstractmethod
    def step_size(self, loss: float) -> float:
        """Adam's step size at this loss."""

    @abstractmethod
    def freeze(self) -> Coder:
        """A frozen copy."""


def last_linear(net: nn.Sequential) -> nn.Linear:
    """The output layer of `net`."""
    layer = net[-1]
    assert isinstance(layer, nn.Linear)
    return layer


def orthogonal(module: nn.Module, gain: float = 2**0.5, generator: torch.Generator | None = None) -> nn.Module:
    """Orthogonal weights and zero biases in every linear layer of `module`, in place."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight, gain, generator=generator)
            nn.init.zeros_(layer.bias)
    return module
