"""Pixel views for the batched grids: MiniGrid's own tiles, drawn once, put together by compiled code."""

from __future__ import annotations

from functools import cache

import numpy as np
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.world_object import WorldObj
from numba import njit

from reinstate.envs.grid_engine import (
    BALL,
    BOX,
    CLOSED,
    DOOR,
    EMPTY,
    FLOOR,
    GOAL,
    KEY,
    LAVA,
    LOCKED,
    OPEN,
    UNSEEN,
    WALL,
)

TILE = 8
FACING_NORTH = 3  # in its own view the agent always looks up

_DRAWN_KINDS = (WALL, FLOOR, DOOR, KEY, BALL, BOX, GOAL, LAVA)


@cache
def tile_atlas() -> np.ndarray:
    """Tiles [agent, object, colour, state, TILE, TILE, 3] uint8; `agent` is 1 where the agent stands on it.

    MiniGrid highlights what the agent sees, so an unseen cell is an empty tile left dark and all others are
    lit. Takes a fraction of a second, once per process.
    """
    atlas = np.zeros((2, len(OBJECT_TO_IDX), len(COLOR_TO_IDX), 3, TILE, TILE, 3), dtype=np.uint8)

    def tile(thing: WorldObj | None, agent: bool = False, lit: bool = True) -> np.ndarray:
        image = Grid.render_tile(thing, FACING_NORTH if agent else None, highlight=lit, tile_size=TILE)
        return image.astype(np.uint8)  # [TILE, TILE, 3]; MiniGrid truncates as well

    atlas[0, UNSEEN] = tile(None, lit=False)
    atlas[0, EMPTY] = tile(None)
    atlas[1, EMPTY] = tile(None, agent=True)
    for kind in _DRAWN_KINDS:
        for colour in COLOR_TO_IDX.values():
            for state in (OPEN, CLOSED, LOCKED) if kind == DOOR else (0,):
                atlas[0, kind, colour, state] = tile(WorldObj.decode(kind, colour, state))
            if kind in (KEY, BALL, BOX):  # carried things are drawn under the agent
                atlas[1, kind, colour, 0] = tile(WorldObj.decode(kind, colour, 0), agent=True)
    return atlas


def draw_views(views: np.ndarray, which: np.ndarray, out: np.ndarray) -> None:
    """Turn symbolic views [B, V, V, 3] of worlds `which` [N] into images `out` [B, V*TILE, V*TILE, 3] uint8.

    Views are indexed (column, row) as in MiniGrid, images (row, column) as everywhere.
    """
    # A row of a tile is 24 bytes: copied as 3 words of 8, which is ten times as fast as byte by byte.
    rows = out.reshape(*out.shape[:2], -1).view(np.uint64)  # [B, V*TILE, V*3]
    _copy_tiles(views, which, tile_atlas().reshape(2, -1, 6, 3, TILE, 3 * TILE).view(np.uint64), rows)


@njit(cache=True)
def _copy_tiles(views: np.ndarray, which: np.ndarray, atlas: np.ndarray, out: np.ndarray) -> None:
    view = views.shape[1]
    for b in which:
        for j in range(view):
            for i in range(view):
                agent = 1 if i == view // 2 and j == view - 1 else 0
                kind, colour, state = views[b, i, j, 0], views[b, i, j, 1], views[b, i, j, 2]
                tile = atlas[agent, kind, colour, state]  # [TILE, 3]
                for row in range(TILE):
                    for word in range(3):
                        out[b, j * TILE + row, i * 3 + word] = tile[row, word]
