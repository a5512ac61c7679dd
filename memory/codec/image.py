"""The codec of images [n, H, W, channels] uint8: a few bits for each patch, the same small autoencoder for all.

It trains on the distinct patches of the kept frames. Each has the same weight however rare it is: a key of a few pixels
in one frame counts as much as the floor of all frames. The loss is the distance between a patch and its reconstruction,
not its square. The worst patches would dominate a squared loss, and two kinds of patch that share a code at the end
would keep sharing it.

A patch decodes correctly when it comes back to within `tolerance`. That is measured, not set: a little less than half
the smallest distance between two distinct patches. Such a reconstruction is nearer to its own patch than to any other.
Two patches that share a code cannot both be that near to what the code decodes to.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from reinstate.memory.codec.autoencoders import Autoencoder, Coder, orthogonal
from reinstate.memory.codec.bits import (
    MOST_DEFAULT_BITS,
    bits_to_numbers,
    numbers_to_bits,
    pack_bits,
    straight_through_sign,
    unpack_bits,
)
from reinstate.memory.codec.patches import PATCHES_AT_A_TIME, PatchGrid
from reinstate.memory.tensors import unique_by, unique_rows

HIDDEN = 128
LEARNING_RATE = 5e-3
LEAK = 0.02
COARSE = 0.03  # below this loss (8 grey levels) the step size falls with it: the last grey levels need small steps
MAX_BITS_PER_PATCH = 32
BITS, BITS_PER_PATCH = 294, 6
SAMPLE = 1024  # distinct patches whose distances set the tolerance
NEARER = 0.45  # of the smallest distance between distinct patches; at 0.5 two patches could share a code
# Bounds of the tolerance, in grey levels. An error below the lower one does not matter: noise can make patches differ
# in a single pixel. The upper one is for images whose few colours are far apart: it costs a few more updates. With 8,
# the embedding network once learnt to distinguish patches from their reconstructions (docs/log).
MIN_TOLERANCE, MAX_TOLERANCE = 1.0, 2.0


def default_bits(shape: tuple[int, ...]) -> int:
    """294, or more where that is less than 6 for each patch, unless a slot would then be too large.

    >>> default_bits((56, 56, 3)), default_bits((5, 5, 3)), default_bits((210, 160, 3))
    (294, 294, 420)
    """
    patches = PatchGrid.of(shape).count
    return max(min(BITS, MAX_BITS_PER_PATCH * patches), patches * min(BITS_PER_PATCH, MOST_DEFAULT_BITS // patches))


def patch_distance(a: Tensor, b: Tensor) -> Tensor:
    """Root mean square difference [m] of patches [m, F] in grey levels, 0 to 255."""
    return (a.float() - b.float()).square().mean(dim=1).sqrt()


def tolerance_for(patches: Tensor) -> float:
    """The distance within which a reconstruction counts as correct, from distinct patches [U, F] uint8."""
    if len(patches) < 2:
        return MAX_TOLERANCE
    apart = torch.pdist(patches.float()).min() / patches.shape[1] ** 0.5
    return float((NEARER * apart).clamp(MIN_TOLERANCE, MAX_TOLERANCE))


class ImageAutoencoder(Autoencoder):
    """Bits for each patch, through one bottleneck that all patches share."""

    tolerance: Tensor  # scalar, in grey levels

    def __init__(self, shape: tuple[int, ...], bits: int) -> None:
        super().__init__()
        self.grid = PatchGrid.of(shape)
        self.bits_per_patch = bits // self.grid.count
        if not 1 <= self.bits_per_patch <= MAX_BITS_PER_PATCH:
            raise ValueError(
                f"a code of {bits} bits does not give {self.grid.count} patches 1 to {MAX_BITS_PER_PATCH} bits each: "
                f"choose --code-bits from {self.grid.count} to {MAX_BITS_PER_PATCH * self.grid.count}"
            )
        size, b = self.grid.size, self.bits_per_patch
        self.encoder = _mlp(size, b)
        self.decoder = nn.Sequential(_mlp(b, size), LeakySigmoid())
        self.register_buffer("tolerance", torch.tensor(MAX_TOLERANCE))

    def begin(self, generator: torch.Generator | None = None) -> None:
        """Draws the parameters anew."""
        orthogonal(self, generator=generator)

    @property
    def code_bytes(self) -> int:
        return -(-self.grid.count * self.bits_per_patch // 8)

    def training_set(self, frames: Tensor) -> Tensor:
        """The distinct patches [U, F] of frames [n, H, W, channels]; the tolerance follows them."""
        patches = torch.cat([unique_rows(self.grid.cut(part))[0] for part in torch.split(frames, 256)])
        patches, _ = unique_rows(patches)
        some = patches[:: -(-len(patches) // SAMPLE)]
        self.tolerance.fill_(min(float(self.tolerance), tolerance_for(some)))
        return patches

    def loss(self, patches: Tensor) -> Tensor:
        """Distance of reconstructions in units of 255 grey levels, averaged over the distinct ones of `patches`."""
        target = unique_rows(patches)[0].float() / 255.0
        decoded = self.decoder(straight_through_sign(self.encoder(target - 0.5)))
        loss: Tensor = ((decoded - target).square().mean(dim=1) + 1e-5).sqrt().mean()  # smooth at 0
        return loss

    def step_size(self, loss: float) -> float:
        return LEARNING_RATE * min(1.0, loss / COARSE)

    def freeze(self) -> ImageCoder:
        return ImageCoder(copy.deepcopy(self).requires_grad_(False))


class LeakySigmoid(nn.Module):
    """A sigmoid that keeps some gradient where it saturates: without it, pixels that became too dark stayed dark."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x) + LEAK * x


def _mlp(inputs: int, outputs: int) -> nn.Module:
    return orthogonal(
        nn.Sequential(
            nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs)
        )
    )


class ImageCoder(Coder):
    """A frozen `ImageAutoencoder`; its networks run once for each distinct patch or code."""

    def __init__(self, net: ImageAutoencoder) -> None:
        super().__init__()
        self.net = net

    def figures(self) -> dict[str, float]:
        """The tolerance that was found."""
        return {"tolerance": float(self.net.tolerance)}

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        patches, which = unique_rows(self.net.grid.cut(frames))
        bits = [self.net.encoder(part.float() / 255.0 - 0.5) >= 0 for part in torch.split(patches, PATCHES_AT_A_TIME)]
        return pack_bits(torch.cat(bits)[which.view(len(frames), self.net.grid.count)].flatten(1))

    def decode(self, codes: Tensor) -> Tensor:
        numbers = self._numbers(codes)
        distinct_numbers, which = unique_by(numbers, numbers)
        return self.net.grid.join(self._patches(distinct_numbers).index_select(0, which))

    def fidelity(self, frames: Tensor, codes: Tensor) -> Tensor:
        patches, which = unique_rows(self.net.grid.cut(frames))
        numbers = self._numbers(codes)
        pairs = torch.stack([which, numbers], dim=1)
        pairs, pair = unique_by(pairs, which << self.net.bits_per_patch | numbers)
        right = [
            patch_distance(patches.index_select(0, part[:, 0]), self._patches(part[:, 1])) <= self.net.tolerance
            for part in torch.split(pairs, PATCHES_AT_A_TIME)
        ]
        return torch.cat(right)[pair.view(len(frames), self.net.grid.count)].float().mean(dim=1)

    def _numbers(self, codes: Tensor) -> Tensor:
        """The code of each patch [n * P] int64."""
        P, b = self.net.grid.count, self.net.bits_per_patch
        return bits_to_numbers(unpack_bits(codes, P * b).view(len(codes) * P, b))

    @torch.no_grad()
    def _patches(self, numbers: Tensor) -> Tensor:
        """Decoded patches [m, F] uint8 of codes [m]."""
        parts = torch.split(numbers_to_bits(numbers, self.net.bits_per_patch), PATCHES_AT_A_TIME)
        grey = ((self.net.decoder(p * 2.0 - 1.0) * 255.0).round().clamp(0.0, 255.0) for p in parts)
        return torch.cat([part.to(torch.uint8) for part in grey])
