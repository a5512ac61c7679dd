"""Observation encoders for symbolic grids, for images and for vectors.

An `ObservationSpec` says what an observation is, as plain values, so that a configuration can rebuild the network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from reinstate.agents.units import RewardUnit
from reinstate.memory.codec.autoencoders import orthogonal
from reinstate.memory.codec.patches import PATCHES_AT_A_TIME, PatchGrid
from reinstate.memory.scaling import VectorRange
from reinstate.memory.tensors import unique_rows

GRID_CATEGORIES = (11, 6, 4)  # MiniGrid's object types, colours, states (a door's 3, or an agent's 4 directions)
HIDDEN = 64
STATE_WIDTH = 64  # of the current state, in all agents
PATCH_FEATURES = 16


@dataclass(frozen=True)
class ObservationSpec:
    """`grid`: [H, W, 3] uint8 symbolic tiles. `image`: [H, W, 3] uint8 RGB. `vector`: [width] float32."""

    kind: str
    shape: tuple[int, ...]

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32 if self.kind == "vector" else torch.uint8

    def zero(self) -> Tensor:
        return torch.zeros(self.shape, dtype=self.dtype)


class TileEncoder(nn.Module):
    """Symbolic grid [n, H, W, 3] uint8 -> [n, width]: a learnt vector for each kind of tile, then an MLP."""

    strides: Tensor  # [3]

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
        encoded: Tensor = self.mlp(tiles.flatten(1))
        return encoded


class BytesLinear(torch.autograd.Function):
    """x W^T + b for bytes x [m, F] in units of 255, less a half. Keeps the bytes for backward, never their floats."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # [m, F] uint8, [O, F], [O] -> [m, O]
        ctx.save_for_backward(x, weight)
        return torch.cat([torch.addmm(bias, scaled(part), weight.T) for part in torch.split(x, PATCHES_AT_A_TIME)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        to_weight = torch.zeros_like(weight)
        for part, g in zip(*(torch.split(t, PATCHES_AT_A_TIME) for t in (x, gradient)), strict=True):
            to_weight.addmm_(g.T, scaled(part))
        return None, to_weight, gradient.sum(dim=0)


def scaled(x: Tensor) -> Tensor:
    """Bytes as floats between -1/2 and 1/2."""
    return x.float() / 255.0 - 0.5


class ImageEncoder(nn.Module):
    """Image [n, H, W, channels] uint8 -> [n, width]: a small network for each patch, then an MLP.

    A convolution whose stride is its size, and one of size 1. They run once for each distinct patch, of which grid
    worlds have some twenty. Without the hidden layer the cue of a crowded room takes two to ten times as many
    scenes (docs/log).

    `anywhere`: adds an encoding of the largest value of each feature over all patches. It says what is in view
    wherever it is. Without it, the same object seen from two places is recognised late or never.
    """

    def __init__(self, shape: tuple[int, ...], width: int, anywhere: bool = False) -> None:
        super().__init__()
        self.grid = PatchGrid.of(shape)
        self.patch = nn.Linear(self.grid.size, HIDDEN)
        self.features = nn.Linear(HIDDEN, PATCH_FEATURES)
        self.mlp = nn.Sequential(
            nn.Linear(self.grid.count * PATCH_FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width)
        )
        self.anywhere = nn.Linear(PATCH_FEATURES, width) if anywhere else None
        orthogonal(self)

    def start_small(self, factor: float) -> None:
        """Draws the weights of the patches' features anew, at `factor` times their usual size."""
        nn.init.orthogonal_(self.features.weight, factor * 2**0.5)

    def forward(self, observation: Tensor) -> Tensor:
        patches, which = unique_rows(self.grid.cut(observation))
        hidden = torch.relu(BytesLinear.apply(patches, self.patch.weight, self.patch.bias))  # type: ignore[no-untyped-call]
        features = torch.relu(self.features(hidden))  # [U, PATCH_FEATURES]
        # As an embedding: its backward sums over equal patches far faster than that of an index.
        which = which.view(len(observation), self.grid.count)
        each = torch.nn.functional.embedding(which, features)  # [n, patches, PATCH_FEATURES]
        encoded: Tensor = self.mlp(each.flatten(1))
        return encoded if self.anywhere is None else encoded + self.anywhere(each.amax(dim=1))


class VectorEncoder(nn.Module):
    """Vector [n, in] float32 -> [n, width]; each component in units of its range."""

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.range = VectorRange(shape[0])
        self.mlp = nn.Sequential(nn.Linear(shape[0], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width))
        orthogonal(self)

    def forward(self, observation: Tensor) -> Tensor:
        encoded: Tensor = self.mlp(self.range(observation))
        return encoded


def build_encoder(spec: ObservationSpec, width: int) -> nn.Module:
    """The encoder for `spec`, with an output of `width`, linear at the end."""
    encoders: dict[str, Callable[[tuple[int, ...], int], nn.Module]] = {
        "grid": TileEncoder,
        "image": ImageEncoder,
        "vector": VectorEncoder,
    }
    return encoders[spec.kind](spec.shape, width)


class StateEncoder(nn.Module):
    """The current state [n, width] from observation, previous action and previous reward.

    A first step has no previous action: -1, encoded as zeros. The reward is seen because in a T-Maze nothing else shows
    that the agent is too slow.
    """

    def __init__(self, spec: ObservationSpec, actions: int, width: int) -> None:
        super().__init__()
        self.observation = build_encoder(spec, width)
        self.action = nn.Embedding(actions + 1, width)  # the last row: no previous action
        self.unit = RewardUnit()
        self.reward = nn.Linear(2, width, bias=False)  # its size and its sign: a penalty of 1 / length is small
        nn.init.zeros_(self.action.weight)
        nn.init.zeros_(self.reward.weight)

    def forward(self, seen: tuple[Tensor, Tensor], prev_action: Tensor, prev_reward: Tensor) -> Tensor:
        """`seen`: unique observations [U, ...], and which of them each state has [n] (`Inputs.unique`)."""
        frames, which = seen
        x = self.observation(frames).index_select(0, which) + self.action(prev_action % self.action.num_embeddings)
        return torch.relu(x + self.reward(torch.stack([self.unit(prev_reward), prev_reward.sign()], dim=1)))


def extend_ranges(agent: nn.Module, observation: Tensor) -> bool:
    """Extends the ranges of all parts of `agent` by vectors [n, in]; returns whether a scaling changed."""
    ranges = [module for module in agent.modules() if isinstance(module, VectorRange)]
    if not ranges:
        return False
    low, high = observation.amin(dim=0), observation.amax(dim=0)
    return any([each.extend(low, high) for each in ranges])
