"""The range of each component of vector observations: networks and codec see numbers of about -1 to 1, whatever the
unit of an environment is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

GROWTH = 10.0  # at most, of a range at one `extend`: one absurd number does not hide all others for good
KEPT = 1.25  # the scale in use stays while the right one is within this factor
FAR = 2.0  # a range is centred where its middle is further from 0 than this times its half
ROUNDING = 1e-5  # of a middle: a smaller range is rounding, not information
LIMIT = 10.0  # of what a network sees: a first rollout can go far beyond the first observations


class VectorRange(nn.Module):
    """Smallest and largest value of each component so far, and the scaling of vectors [n, width] that follows.

    A component whose values reach 1 or -1 stays as it is. One that is far from 0, such as 1000 +- 1, is centred. One
    that was 0 so far has the largest scale of the others. The scaling changes only in `extend`.
    """

    low: Tensor  # [width]
    high: Tensor  # [width]; less than `low` before anything was seen
    center: Tensor  # [width] in use
    scale: Tensor  # [width] in use

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("low", torch.full((width,), torch.inf))
        self.register_buffer("high", torch.full((width,), -torch.inf))
        self.register_buffer("center", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Vectors [n, width] in units of their ranges, as a network sees them."""
        return self.exact(x).clamp(-LIMIT, LIMIT)

    def exact(self, x: Tensor) -> Tensor:
        """The same without a limit."""
        return (x - self.center) / self.scale

    def undo(self, x: Tensor) -> Tensor:
        """The inverse of `exact`."""
        return x * self.scale + self.center

    @property
    def varies(self) -> Tensor:
        """The components [width] bool that have had different values."""
        return self.high > self.low

    @torch.no_grad()
    def extend(self, low: Tensor, high: Tensor) -> bool:
        """Takes in the smallest and largest values [width] of new observations; returns whether the scaling changed."""
        seen = self.high.maximum(-self.low) > 0  # more than 0
        most = GROWTH * scaling_of(self.low, self.high)[1]
        self.low.copy_(self.low.minimum(torch.where(seen, low.maximum(self.low - most), low)))
        self.high.copy_(self.high.maximum(torch.where(seen, high.minimum(self.high + most), high)))
        center, scale = scaling_of(self.low, self.high)
        ratio = scale / self.scale
        stays = (ratio <= KEPT) & (ratio >= 1 / KEPT) & ((center - self.center).abs() <= (KEPT - 1) * scale)
        if bool(stays.all()) and (bool(seen.any()) or torch.equal(scale, self.scale)):
            return False
        self.center.copy_(center)
        self.scale.copy_(scale)
        return True


def scaling_of(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Centre and scale [width] of components with these ranges [width].

    >>> scaling_of(torch.tensor([0.0, -4.0, 999.0, 0.0]), torch.tensor([1.0, 2.0, 1001.0, 0.0]))
    (tensor([   0.,    0., 1000.,    0.]), tensor([1., 4., 1., 4.]))
    """
    half, middle = high / 2 - low / 2, high / 2 + low / 2
    far = (middle.abs() > FAR * half) & (half > ROUNDING * middle.abs())
    scale = torch.where(far, half, low.abs().maximum(high.abs()))
    scale = torch.where(scale.isfinite(), scale, 0.0)
    largest = scale.max()
    if largest == 0:
        return torch.zeros_like(low), torch.ones_like(low)
    # Below the rounding of the largest component nothing is told apart.
    scale = torch.where(scale > 0, scale, largest).maximum(torch.finfo(scale.dtype).eps * largest)
    return torch.where(far, middle, 0.0), scale
