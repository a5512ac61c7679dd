"""The codec of vector observations: it begins as a thermometer.

Each component has as many thresholds as a code has bits for it, evenly spaced around 0. Its bits say which thresholds
it has reached, and it decodes to the middle between two of them. With 294 bits and before any training, that reads
components from -9 to 9 of a vector of 3, and from -1 to 1 of a vector of 23, random ones too. A network that begins at
random hardly learns to read those (docs/log). The rest is learnt: thresholds and levels move, and a small network
beside the levels, with output 0 at first, adds what they miss.

All numbers here are in units of the components' ranges (`scaling.py`). Of a wide vector most components never change,
and need no bits: MOST components are coded, those that vary first, and all others decode to what they always were.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reinstate.memory.codec.autoencoders import Autoencoder, Coder, last_linear, orthogonal
from reinstate.memory.codec.bits import MOST_DEFAULT_BITS, pack_bits, straight_through_sign, unpack_bits
from reinstate.memory.scaling import KEPT, VectorRange

VECTOR_TOLERANCE = 0.1  # a component of a vector is right when it decodes to within this
GAP = 0.19  # between thresholds: their middles are within the tolerance of everything between
SHARPNESS = 8.0  # of a threshold: a component that is further from it than about 1 / 8 sends it little gradient
HIDDEN = 64
FURTHEST = 100.0  # of a component in units of its range: what lies beyond has the same code
LEARNING_RATE = 1e-3
BITS = 294  # of a code; as many as the codes of MiniGrid's views have
LEVELS = 11  # bits of a component that read it from -1 to 1
MOST = 256  # components that are coded
BATCH_WORK = 256 * 294 * 64  # rows of a batch times bits times components


def default_bits(shape: tuple[int, ...]) -> int:
    """Bits of a code for vectors of this shape: enough for LEVELS of each component, within a slot.

    >>> [default_bits((width,)) for width in (3, 26, 40, 2835)]
    [294, 294, 440, 1200]
    """
    return max(BITS, min(LEVELS * shape[0], MOST_DEFAULT_BITS))


class VectorAutoencoder(Autoencoder):
    """Bits for a vector observation [n, width] float32, of which K components are coded."""

    coded: Tensor  # [K] int64
    varied: Tensor  # scalar int64: how many of them had varied when the thermometer began
    others: Tensor  # [width] what those that are not coded always were

    def __init__(self, shape: tuple[int, ...], bits: int) -> None:
        super().__init__()
        (width,) = shape
        self.bits = bits
        self.range = VectorRange(width)
        coded = min(width, MOST)
        self.register_buffer("coded", torch.arange(coded))
        self.register_buffer("varied", torch.tensor(coded))
        self.register_buffer("others", torch.zeros(width))
        self.thresholds, self.levels = nn.Linear(coded, bits), nn.Linear(bits, coded)
        self.more_levels = nn.Sequential(nn.Linear(bits, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, coded))
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
        K = count = self.levels.out_features
        if self.selects:
            varies = self.range.varies
            self.coded.copy_(varies.int().argsort(descending=True, stable=True)[:K])
            self.others.copy_(self.range.exact(self.range.low).nan_to_num(0.0))
            count = min(max(int(varies.sum()), 1), K)
            self.varied.fill_(count)
            self.levels.bias[count:] = self.others[self.coded[count:]]
        each = self.bits // count
        gap = max(GAP, 2.0 / (each + 1))  # with few bits, coarser: from -1 to 1 all the same
        for i in range(count):
            of_component = slice(i * each, (i + 1) * each)
            self.thresholds.weight[of_component, i] = SHARPNESS
            self.thresholds.bias[of_component] = SHARPNESS * gap * ((each - 1) / 2 - torch.arange(each))
            self.levels.weight[i, of_component] = gap / 2

    @property
    def selects(self) -> bool:
        """Whether some components are not coded."""
        return len(self.coded) < len(self.others)

    @property
    def outgrown(self) -> bool:
        """Whether many more components vary than when the thermometer began, and some of them are not coded."""
        if not self.selects:
            return False
        varies = self.range.varies
        missed = bool(varies.sum() > varies[self.coded].sum())
        return missed and bool(KEPT * self.varied < varies.sum().clamp(max=len(self.coded)))

    @property
    def code_bytes(self) -> int:
        return -(-self.bits // 8)

    @property
    def batch_size(self) -> int:
        return max(16, min(256, BATCH_WORK // (self.bits * len(self.coded))))

    def encode(self, frames: Tensor) -> Tensor:
        """[n, bits], whose signs are the code."""
        reached: Tensor = self.thresholds(self.selected(self.range.exact(frames)).clamp(-FURTHEST, FURTHEST))
        return reached

    def selected(self, scaled: Tensor) -> Tensor:
        """The components [n, K] that are coded, of [n, width]."""
        return scaled.index_select(1, self.coded) if self.selects else scaled

    def decode(self, signs: Tensor) -> Tensor:
        """The coded components [n, K], from signs [n, bits], +1 or -1."""
        decoded: Tensor = self.levels(signs) + self.more_levels(signs)
        return decoded

    def training_set(self, frames: Tensor) -> Tensor:
        """The frames themselves."""
        return frames

    def loss(self, frames: Tensor) -> Tensor:
        """Mean squared error."""
        return F.mse_loss(self.decode(straight_through_sign(self.encode(frames))), self.selected(self.range(frames)))

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
        decoded = self.net.decode(unpack_bits(codes, self.net.bits) * 2.0 - 1.0)
        if not self.net.selects:
            return decoded
        return self.net.others.repeat(len(codes), 1).index_copy_(1, self.net.coded, decoded)
