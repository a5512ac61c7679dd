"""The codec of symbolic grids: a few bits for each tile."""

from __future__ import annotations

import torch
import torch.nn.functional as F
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

LEARNING_RATE = 1e-2  # 2e-3 resolves 22 tile kinds in 200-300 updates, 1e-2 in 50-100
BITS_PER_TILE = 6


def default_bits(shape: tuple[int, ...]) -> int:
    """6 for each tile, fewer where a slot would then be too large.

    >>> default_bits((7, 7, 3)), default_bits((3, 3, 3)), default_bits((15, 15, 3))
    (294, 54, 1125)
    """
    tiles = shape[0] * shape[1]
    return tiles * max(1, min(BITS_PER_TILE, MOST_DEFAULT_BITS // tiles))


class TileAutoencoder(Autoencoder):
    """A few bits for each tile of a symbolic grid [n, H, W, channels] uint8.

    All tiles share one small autoencoder over tile kinds (combinations of the channels' values). Every kind in a batch
    has the same weight however rare it is: a single key counts as much as all the walls.
    """

    strides: Tensor  # [channels]
    parts: Tensor  # [kinds, channels]

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
        self.begin()

    def begin(self, generator: torch.Generator | None = None) -> None:
        """Draws the linear layers."""
        orthogonal(self, generator=generator)

    @property
    def code_bytes(self) -> int:
        return -(-self.tiles * self.bits_per_tile // 8)

    def training_set(self, frames: Tensor) -> Tensor:
        """The frames themselves."""
        return frames

    def loss(self, frames: Tensor) -> Tensor:
        """Cross-entropy of each channel, averaged over the distinct kinds of tile in `frames`."""
        kinds = torch.unique((frames.long() * self.strides).sum(-1))
        logits = self.to_logits(straight_through_sign(self.to_bits(self.embed(kinds))))
        parts = logits.split(self.categories, dim=1)
        return sum((F.cross_entropy(p, self.parts[kinds, i]) for i, p in enumerate(parts)), torch.zeros(()))

    def step_size(self, loss: float) -> float:
        return LEARNING_RATE

    @torch.no_grad()
    def freeze(self) -> TileCoder:
        bits = self.to_bits(self.embed.weight) >= 0  # [kinds, b]
        every_code = numbers_to_bits(torch.arange(2**self.bits_per_tile, device=bits.device), self.bits_per_tile)
        logits = self.to_logits(2.0 * every_code - 1.0).split(self.categories, dim=1)
        decoded = torch.stack([part.argmax(dim=1) for part in logits], dim=1).to(torch.uint8)  # [codes, channels]
        return TileCoder(self.grid, self.strides, bits, decoded)


class TileCoder(Coder):
    """A frozen `TileAutoencoder`: two look-up tables."""

    strides: Tensor  # [channels]
    bits_of_kind: Tensor  # [kinds, b] bool
    tile_of_code: Tensor  # [codes, channels]
    tile_of_kind: Tensor  # [kinds, channels]

    def __init__(self, grid: tuple[int, ...], strides: Tensor, bits_of_kind: Tensor, tile_of_code: Tensor) -> None:
        super().__init__()
        self.grid = grid
        self.register_buffer("strides", strides.clone())
        self.register_buffer("bits_of_kind", bits_of_kind)
        self.register_buffer("tile_of_code", tile_of_code)
        self.register_buffer("tile_of_kind", tile_of_code[bits_to_numbers(bits_of_kind)])  # [kinds, channels]

    def _kinds(self, frames: Tensor) -> Tensor:
        kinds = (frames.long() * self.strides).sum(-1).flatten(1)  # [n, tiles]
        return kinds.clamp(max=len(self.bits_of_kind) - 1)

    def encode(self, frames: Tensor) -> Tensor:
        return pack_bits(self.bits_of_kind[self._kinds(frames)].flatten(1))

    def decode(self, codes: Tensor) -> Tensor:
        per_tile = self.bits_of_kind.shape[1]
        tiles = self.grid[0] * self.grid[1]
        bits = unpack_bits(codes, tiles * per_tile).view(len(codes), tiles, per_tile)
        return self.tile_of_code[bits_to_numbers(bits)].view(len(codes), *self.grid, self.tile_of_code.shape[1])

    def fidelity(self, frames: Tensor, codes: Tensor) -> Tensor:
        decoded = self.tile_of_kind[self._kinds(frames)]  # [n, tiles, channels], what decode(codes) gives
        return (decoded == frames.flatten(1, 2)).all(dim=2).float().mean(dim=1)
