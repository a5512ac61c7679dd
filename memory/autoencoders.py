"""What an autoencoder with a binary bottleneck offers to the codec; one file for each kind of observation."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn


class Coder(Protocol):
    """A frozen codec: observations to packed bits and back."""

    def encode(self, frames: Tensor) -> Tensor: ...  # [n, ...] -> [n, C] uint8

    def decode(self, codes: Tensor) -> Tensor: ...  # [n, C] uint8 -> [n, ...]

    def fidelity(self, frames: Tensor, codes: Tensor) -> Tensor: ...  # -> [n] share that decodes correctly


class Autoencoder(Protocol):
    """A codec in training; also an `nn.Module`."""

    code_bytes: int  # C

    def begin(self, generator: torch.Generator | None = None) -> None: ...  # draws the parameters anew

    def training_set(self, frames: Tensor) -> Tensor: ...  # [n, ...] -> [m, ...], what batches are drawn from

    def loss(self, batch: Tensor) -> Tensor: ...  # rows of the training set -> scalar

    def step_size(self, loss: float) -> float: ...  # of Adam, where the loss is this

    def freeze(self) -> Coder: ...


def orthogonal(module: nn.Module, gain: float = 2**0.5, generator: torch.Generator | None = None) -> nn.Module:
    """Orthogonal weights and zero biases in every linear layer of `module`, in place."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight, gain, generator=generator)
            nn.init.zeros_(layer.bias)
    return module
