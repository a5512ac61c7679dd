"""The codec of vector observations."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from memory.autoencoders import orthogonal
from memory.bits import pack_bits, straight_through_sign, unpack_bits

VECTOR_TOLERANCE = 0.1  # a component of a vector is right when it decodes to within this
LEARNING_RATE = 1e-2


class VectorAutoencoder(nn.Module):
    """Bits for a vector observation [n, width] float32; squared error, normalised by each component's spread."""

    def __init__(self, shape: tuple[int, ...], bits: int) -> None:
        super().__init__()
        (width,) = shape
        self.bits = bits
        self.encoder = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, bits))
        self.decoder = nn.Sequential(nn.Linear(bits, 64), nn.ReLU(), nn.Linear(64, width))
        orthogonal(self)
        with torch.no_grad():  # spread the first layer's kinks, else all codes of small inputs are one code
            self.encoder[0].bias.uniform_(-1.0, 1.0)

    @property
    def code_bytes(self) -> int:
        return -(-self.bits // 8)

    def training_set(self, frames: Tensor) -> Tensor:
        """The frames themselves."""
        return frames

    def loss(self, frames: Tensor) -> Tensor:
        decoded = self.decoder(straight_through_sign(self.encoder(frames)))
        return F.mse_loss(decoded, frames)

    def step_size(self, loss: float) -> float:
        return LEARNING_RATE

    def freeze(self) -> VectorCoder:
        return VectorCoder(copy.deepcopy(self).requires_grad_(False))


class VectorCoder(nn.Module):
    """A frozen `VectorAutoencoder`."""

    def __init__(self, net: VectorAutoencoder) -> None:
        super().__init__()
        self.net = net

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        return pack_bits(self.net.encoder(frames) >= 0)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        return self.net.decoder(unpack_bits(codes, self.net.bits) * 2.0 - 1.0)

    def fidelity(self, frames: Tensor, codes: Tensor) -> Tensor:
        return ((self.decode(codes) - frames).abs() <= VECTOR_TOLERANCE).float().mean(dim=1)
