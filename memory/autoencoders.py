"""Autoencoders with a binary bottleneck: one for symbolic grids, one for vectors.

Each has `loss(frames)` to train on, and `freeze()`, which gives the coder that writes and reads codes.
The bottleneck is sign(tanh(x)) with the gradient of tanh (straight-through).
"""

from __future__ import annotations

import copy
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VECTOR_TOLERANCE = 0.1  # a component of a vector is right when it decodes to within this


class Coder(Protocol):
    """A frozen codec: observations to packed bits and back."""

    def encode(self, frames: Tensor) -> Tensor: ...  # [n, ...] -> [n, C] uint8

    def decode(self, codes: Tensor) -> Tensor: ...  # [n, C] uint8 -> [n, ...]

    def fidelity(self, frames: Tensor, codes: Tensor) -> Tensor: ...  # -> [n] share that decodes correctly


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
    padded = F.pad(bits.to(torch.uint8), (0, -bits.shape[1] % 8)).view(len(bits), -1, 8)
    powers = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=bits.device)
    return (padded * powers).sum(dim=2, dtype=torch.uint8)


def unpack_bits(packed: Tensor, count: int) -> Tensor:
    """The first `count` bits [n, count] bool of packed bytes [n, C]: the inverse of `pack_bits`."""
    shifts = torch.arange(8, dtype=torch.uint8, device=packed.device)
    return ((packed[..., None] >> shifts) & 1).flatten(1)[:, :count].bool()


def orthogonal(module: nn.Module, gain: float = 2**0.5) -> nn.Module:
    """Orthogonal weights and zero biases in every linear layer of `module`, in place."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight, gain)
            nn.init.zeros_(layer.bias)
    return module


class TileAutoencoder(nn.Module):
    """A few bits for each tile of a symbolic grid [n, H, W, channels] uint8.

    All tiles share one small autoencoder over tile kinds (combinations of the channels' values), and every kind
    in a batch weighs the same however rare it is: a lone key among walls is worth as much as the walls.
    """

    def __init__(self, shape: tuple[int, ...], categories: tuple[int, ...], bits: int) -> None:
        super().__init__()
        *grid, channels = shape
        self.grid = tuple(grid)
        self.tiles = int(torch.tensor(grid).prod())
        self.categories = categories
        self.bits_per_tile = bits // self.tiles
        if not 1 <= self.bits_per_tile <= 16:
            raise ValueError(
                f"a code of {bits} bits does not give {self.tiles} tiles 1 to 16 bits each: "
                f"choose --code-bits from {self.tiles} to {16 * self.tiles}"
            )
        strides = [1]
        for size in reversed(categories[1:]):
            strides.insert(0, strides[0] * size)
        self.register_buffer("strides", torch.tensor(strides))
        kinds = strides[0] * categories[0]
        all_kinds = torch.arange(kinds)
        parts = [(all_kinds // s) % c for s, c in zip(strides, categories, strict=True)]
        self.register_buffer("parts", torch.stack(parts, dim=1))  # [kinds, channels]
        self.embed = nn.Embedding(kinds, 32)
        self.to_bits = nn.Linear(32, self.bits_per_tile)
        self.to_logits = nn.Sequential(nn.Linear(self.bits_per_tile, 64), nn.ReLU(), nn.Linear(64, sum(categories)))
        orthogonal(self)

    @property
    def code_bytes(self) -> int:
        return -(-self.tiles * self.bits_per_tile // 8)

    def loss(self, frames: Tensor) -> Tensor:
        """Cross-entropy of each channel, averaged over the distinct kinds of tile in `frames`."""
        kinds = torch.unique((frames.long() * self.strides).sum(-1))
        logits = self.to_logits(straight_through_sign(self.to_bits(self.embed(kinds))))
        parts = logits.split(self.categories, dim=1)
        return sum((F.cross_entropy(p, self.parts[kinds, i]) for i, p in enumerate(parts)), torch.zeros(()))

    @torch.no_grad()
    def freeze(self) -> TileCoder:
        bits = self.to_bits(self.embed.weight) >= 0  # [kinds, b]
        values = torch.arange(2**self.bits_per_tile, device=bits.device)
        every_code = (values[:, None] >> torch.arange(self.bits_per_tile, device=bits.device)) & 1
        logits = self.to_logits(2.0 * every_code - 1.0).split(self.categories, dim=1)
        decoded = torch.stack([part.argmax(dim=1) for part in logits], dim=1).to(torch.uint8)  # [codes, channels]
        return TileCoder(self.grid, self.strides, bits, decoded)


class TileCoder(nn.Module):
    """A frozen `TileAutoencoder`: two look-up tables."""

    def __init__(self, grid: tuple[int, ...], strides: Tensor, bits_of_kind: Tensor, tile_of_code: Tensor) -> None:
        super().__init__()
        self.grid = grid
        self.register_buffer("strides", strides.clone())
        self.register_buffer("bits_of_kind", bits_of_kind)
        self.register_buffer("tile_of_code", tile_of_code)
        values = 2 ** torch.arange(bits_of_kind.shape[1], device=bits_of_kind.device)
        self.register_buffer("tile_of_kind", tile_of_code[(bits_of_kind * values).sum(dim=1)])  # [kinds, channels]

    def _kinds(self, frames: Tensor) -> Tensor:
        kinds = (frames.long() * self.strides).sum(-1).flatten(1)  # [n, tiles]
        return kinds.clamp(max=len(self.bits_of_kind) - 1)

    def encode(self, frames: Tensor) -> Tensor:
        return pack_bits(self.bits_of_kind[self._kinds(frames)].flatten(1))

    def decode(self, codes: Tensor) -> Tensor:
        per_tile = self.bits_of_kind.shape[1]
        tiles = self.grid[0] * self.grid[1]
        bits = unpack_bits(codes, tiles * per_tile).view(len(codes), tiles, per_tile)
        values = (bits * 2 ** torch.arange(per_tile, device=codes.device)).sum(dim=2)
        return self.tile_of_code[values].view(len(codes), *self.grid, self.tile_of_code.shape[1])

    def fidelity(self, frames: Tensor, codes: Tensor) -> Tensor:
        decoded = self.tile_of_kind[self._kinds(frames)]  # [n, tiles, channels], what decode(codes) gives
        return (decoded == frames.flatten(1, 2)).all(dim=2).float().mean(dim=1)


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

    def loss(self, frames: Tensor) -> Tensor:
        decoded = self.decoder(straight_through_sign(self.encoder(frames)))
        return F.mse_loss(decoded, frames)

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
