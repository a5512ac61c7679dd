"""Observations as pictures, whatever their kind, and pictures as PNG."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from reinstate.agents.networks import ObservationSpec
from reinstate.envs.engine.pixels import TILE, tile_atlas

SMALLEST = 56  # pixels a side; smaller pictures are enlarged
CELL = 14  # of a vector's picture


def picture(spec: ObservationSpec, observation: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8: a symbolic grid in MiniGrid's tiles, an image as it is (three of its channels), a vector as a
    row of cells (red below zero, blue above, grey at zero; full colour from 1 on)."""
    if spec.kind == "grid":
        return enlarged(tiles(observation))
    if spec.kind == "image":
        return enlarged(coloured(observation))
    size = np.clip(np.abs(observation), 0.0, 1.0)[:, None]
    colour = np.where(observation[:, None] < 0, [200, 40, 40], [40, 80, 200])
    row = (size * colour + (1 - size) * 225).astype(np.uint8)  # [width, 3]
    return np.repeat(np.repeat(row[None], CELL, axis=0), CELL, axis=1)


def coloured(image: np.ndarray) -> np.ndarray:
    """[H, W, 3] of an image [H, W, channels]: grey where it has one or two, the first three of more."""
    return image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)


def tiles(grid: np.ndarray) -> np.ndarray:
    """A symbolic view [columns, rows, 3] as [rows * TILE, columns * TILE, 3], the agent in the middle of the last
    row. A decoded tile that MiniGrid does not have stays black."""
    columns, rows = grid.shape[:2]
    atlas = tile_atlas()
    limits = np.array(atlas.shape[1:4])
    known: np.ndarray = np.all(grid < limits, axis=2)  # [columns, rows]
    looks = tuple(np.where(known[..., None], grid, 0).transpose(2, 0, 1))  # three of [columns, rows]
    drawn: np.ndarray = atlas[0][looks] * known[..., None, None, None]
    kind, colour, state = np.minimum(grid[columns // 2, rows - 1], limits - 1)
    drawn[columns // 2, rows - 1] = atlas[1, kind, colour, state]
    return drawn.transpose(1, 2, 0, 3, 4).reshape(rows * TILE, columns * TILE, 3)


def enlarged(image: np.ndarray) -> np.ndarray:
    """By whole factors, until the longer side has SMALLEST pixels at least."""
    factor = -(-SMALLEST // max(image.shape[:2]))
    return np.repeat(np.repeat(image, factor, axis=0), factor, axis=1)


def png(image: np.ndarray) -> str:
    """A data URI of an image [H, W, 3] uint8."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
