"""Bits of a code: the binary bottleneck, and bits packed to bytes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_DEFAULT_BITS = 1_200  # of a code, if none are chosen: 150 bytes of a slot's 256, whose other fields take 105


def straight_through_sign(x: Tensor) -> Tensor:
    """+1 or -1 forward, the gradient of tanh backward (Bengio et al. 2013, arXiv 1308.3432)."""
    soft = torch.tanh(x)
    hard = torch.where(x >= 0, 1.0, -1.0)
    return soft + (hard - soft).detach()


def pack_bits(bits: Tensor) -> Tensor:
    """Bits [n, b] bool as bytes [n, ceil(b / 8)] uint8, the first bit lowest.

    >>> pack_bits(torch.tensor([[True, False, False, False, False, False, False, True, True]]))
    tensor([[129,   1]], dtype=torch.uint8)
    """
    padded = F.pad(bits.to(torch.uint8), (0, -bits.shape[1] % 8))
    padded = padded.view(len(bits), padded.shape[1] // 8, 8)
    powers = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=bits.device)
    return (padded * powers).sum(dim=2, dtype=torch.uint8)


def unpack_bits(packed: Tensor, count: int) -> Tensor:
    """The first `count` bits [n, count] bool of packed bytes [n, C]: the inverse of `pack_bits`."""
    shifts = torch.arange(8, dtype=torch.uint8, device=packed.device)
    return ((packed[..., None] >> shifts) & 1).flatten(1)[:, :count].bool()


def bits_to_numbers(bits: Tensor) -> Tensor:
    """Bits [..., b] bool as numbers [...] int64, the first bit lowest; b at most 62.

    >>> bits_to_numbers(torch.tensor([[True, False, True], [False, True, False]]))
    tensor([5, 2])
    """
    numbers: Tensor = (bits * 2 ** torch.arange(bits.shape[-1], device=bits.device)).sum(dim=-1)
    return numbers


def numbers_to_bits(numbers: Tensor, count: int) -> Tensor:
    """Bits [..., count] bool of numbers [...] int64: the inverse of `bits_to_numbers`."""
    return ((numbers[..., None] >> torch.arange(count, device=numbers.device)) & 1).bool()
