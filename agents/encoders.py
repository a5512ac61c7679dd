"""Observation encoders for symbolic grids and for vectors.

An `ObservationSpec` says what an observation is, as plain values, so that a configuration can rebuild the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from memory.autoencoders import orthogonal
from memory.frame_ring import hash_rows

GRID_CATEGORIES = (11, 6, 4)  # MiniGrid's object types, colours, states (a door's 3, or an agent's 4 directions)
HIDDEN = 64


@dataclass(frozen=True)
class ObservationSpec:
    """`grid`: [H, W, 3] uint8 symbolic tiles. `vector`: [width] float32."""

    kind: str
    shape: tuple[int, ...]

    @property
    def dtype(self) -> torch.dtype:
        return torch.uint8 if self.kind == "grid" else torch.float32

    def zero(self) -> Tensor:
        return torch.zeros(self.shape, dtype=self.dtype)


class TileEncoder(nn.Module):
    """Symbolic grid [n, H, W, 3] uint8 -> [n, width]: a learnt vector for each kind of tile, then an MLP."""

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        height, breadth, _ = shape
        _, colours, states = GRID_CATEGORIES
        self.register_buffer("strides", torch.tensor([colours * states, states, 1]), persistent=False)
        kinds = torch.tensor(GRID_CATEGORIES).prod()
        self.tile = nn.Embedding(int(kinds), 16)
        self.mlp = nn.Sequential(nn.Linear(height * breadth * 16, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width))
        orthogonal(self)

    def start_small(self, std: float) -> None:
        """Draws the tile vectors anew, with this standard deviation (1 otherwise)."""
        nn.init.normal_(self.tile.weight, std=std)

    def forward(self, observation: Tensor) -> Tensor:
        kinds = (observation.long() * self.strides).sum(-1)  # [n, H, W]
        # The non-linearity acts on the few kinds, not on the many tiles.
        tiles = torch.nn.functional.embedding(kinds, torch.relu(self.tile.weight))
        return self.mlp(tiles.flatten(1))


class VectorEncoder(nn.Module):
    """Vector [n, in] float32 -> [n, width]."""

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(shape[0], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width))
        orthogonal(self)

    def forward(self, observation: Tensor) -> Tensor:
        return self.mlp(observation)


def build_encoder(spec: ObservationSpec, width: int) -> nn.Module:
    """The encoder for `spec`, with an output of `width`, linear at the end."""
    return {"grid": TileEncoder, "vector": VectorEncoder}[spec.kind](spec.shape, width)


def encode_distinct(encoder: nn.Module, observation: Tensor) -> Tensor:
    """encoder(observation) [n, width], with one forward pass for each distinct observation: a corridor's are many."""
    unique, inverse = torch.unique(hash_rows(observation), return_inverse=True)
    index = torch.arange(len(observation), device=observation.device)
    representative = torch.empty_like(unique).scatter_(0, inverse, index)  # any row that looks so will do
    return encoder(observation[representative]).index_select(0, inverse)


class StateEncoder(nn.Module):
    """The current state [n, width] from observation, previous action and previous reward.

    A first step has no previous action: -1, encoded as zeros. The reward matters where falling behind shows in
    nothing else (the T-Maze's pace).
    """

    def __init__(self, spec: ObservationSpec, actions: int, width: int) -> None:
        super().__init__()
        self.observation = build_encoder(spec, width)
        self.action = nn.Embedding(actions + 1, width)  # the last row: no previous action
        self.reward = nn.Linear(2, width, bias=False)  # its size and its sign: a penalty of 1 / length must be seen
        nn.init.zeros_(self.action.weight)
        nn.init.zeros_(self.reward.weight)

    def forward(self, observation: Tensor, prev_action: Tensor, prev_reward: Tensor) -> Tensor:
        x = encode_distinct(self.observation, observation) + self.action(prev_action % self.action.num_embeddings)
        return torch.relu(x + self.reward(torch.stack([prev_reward, prev_reward.sign()], dim=1)))
