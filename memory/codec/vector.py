"""The codec of vector observations: it begins as a thermometer.

Each component has as many thresholds as a code has bits for it, evenly spaced around 0. Its bits say which thresholds
it has reached, and it decodes to the middle between two of them. With 294 bits and before any training, that reads
components from -9 to 9 of a vector of 3, and from -1 to 1 of a vector of 23, random ones too. A network that begins at
random hardly learns to read those (docs/log). The rest is learnt: thresholds and levels move, and a small network
beside the levels, with output 0 at first, adds what they miss. A vector with more components than bits has no threshold
at first: all of them have one code until some threshold is learnt.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reinstate.memory.codec.autoencoders import Autoencoder, Coder, last_linear, orthogonal
from reinstate.memory.codec.bits import pack_bits, straight_through_sign, unpack_bits
from reinstate.memory.scaling import VectorRange

VECTOR_TOLERANCE = 0.1  # a component of a vector is right when it decodes to within this
GAP = 0.19  # between thresholds: their middles are within the tolerance of everything between
SHARPNESS = 8.0  # of a threshold: a component that is further from it than about 1 / 8 sends it little gradient
HIDDEN = 64
FURTHEST = 100.0  # of a component in units of its range: what lies beyond has the same code
LEARNING_RATE = 1e-3


class VectorAutoencoder(Autoencoder):
    """Bits for a vector observation [n, width] float32."""

    def __init__(self, shape: tuple[int, ...], bits: int) -> None:
        super().__init__()
        (width,) = shape
        self.bits = bits
        self.range = VectorRange(width)
        self.thresholds, self.levels = nn.Linear(width, bits), nn.Linear(bits, width)
        self.more_levels = nn.Sequential(nn.Linear(bits, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width))
        self.begin()

    @torch.no_grad()
    def begin(self, generator: torch.Generator | None = None) -> None:
        """Draws the parameters."""
        orthogonal(self.more_levels, generator=generator)
        self.restart()

    @torch.no_grad()
    def restart(self) -> None:
        """A thermometer again."""
        last = last_linear(self.more_levels)
        for parameter in (*self.thresholds.parameters(), *self.levels.parameters(), *last.parameters()):
            nn.init.zeros_(parameter)
        width = self.levels.out_features
        each = self.bits // width
        gap = max(GAP, 2.0 / (each + 1))  # with few bits, coarser: from -1 to 1 all the same
        for i in range(width):
            of_component = slice(i * each, (i + 1) * each)
            self.thresholds.weight[of_component, i] = SHARPNESS
            self.thresholds.bias[of_component] = SHARPNESS * gap * ((each - 1) / 2 - torch.arange(each))
            self.levels.weight[i, of_component] = gap / 2

    @property
    def code_bytes(self) -> int:
        return -(-self.bits // 8)

    def encode(self, frames: Tensor) -> Tensor:
        """[n, bits], whose signs are the code."""
        reached: Tensor = self.thresholds(self.range.exact(frames).clamp(-FURTHEST, FURTHEST))
        return reached

    def decode(self, signs: Tensor) -> Tensor:
        """Vectors [n, width] in units of their ranges, from signs [n, bits], +1 or -1."""
        decoded: Tensor = self.levels(signs) + self.more_levels(signs)
        return decoded

    def training_set(self, frames: Tensor) -> Tensor:
        """The frames themselves."""
        return frames

    def loss(self, frames: Tensor) -> Tensor:
        """Mean squared error, in units of the ranges."""
        return F.mse_loss(self.decode(straight_through_sign(self.encode(frames))), self.range(frames))

    def step_size(self, loss: float) -> float:
        return LEARNING_RATE

    def freeze(self) -> VectorCoder:
        return VectorCoder(copy.deepcopy(self).requires_grad_(False))


class VectorCoder(Coder):
    """A frozen `VectorAutoencoder`."""

    def __init__(self, net: VectorAutoencoder) -> None:
        super().__init__()
        self.net = net

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        return pack_bits(self.net.encode(frames) >= 0)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        return self.net.range.undo(self._scaled(codes))

    @torch.no_grad()
    def fidelity(self, frames: Tensor, codes: Tensor) -> Tensor:
        error = self._scaled(codes) - self.net.range.exact(frames)
        return (error.abs() <= VECTOR_TOLERANCE).float().mean(dim=1)

    def _scaled(self, codes: Tensor) -> Tensor:
        return self.net.decode(unpack_bits(codes, self.net.bits) * 2.0 - 1.0)
