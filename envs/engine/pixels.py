"""What is seen of a grid: MiniGrid's own tiles, drawn once, put together by compiled code."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from gymnasium import spaces
from minigrid.core.constants import COLOR_TO_IDX, DIR_TO_VEC, IDX_TO_COLOR, IDX_TO_OBJECT, OBJECT_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.world_object import WorldObj

from reinstate.envs.checks import check_choice
from reinstate.envs.engine import grid
from reinstate.envs.engine.loops import rule

OBSERVATIONS = ("symbolic", "pixels")
TILE = 8  # pixels a side, of an observation
PICTURE_TILE = 32  # pixels a side, of a picture for people
FACING_NORTH = 3  # in its own view the agent always looks up

_DRAWN_KINDS = (grid.WALL, grid.FLOOR, grid.DOOR, grid.KEY, grid.BALL, grid.BOX, grid.GOAL, grid.LAVA)


def observation_space_of(observation: str, view: int = grid.VIEW) -> spaces.Box:
    """The space of one observation of `view` cells a side: MiniGrid's symbols or 8-pixel tiles."""
    check_choice("observation", observation, OBSERVATIONS)
    if observation == "symbolic":
        return grid.SymbolBox((view, view, 3))
    return spaces.Box(low=0, high=255, shape=(view * TILE, view * TILE, 3), dtype=np.uint8)


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

    atlas[0, grid.UNSEEN] = tile(None, lit=False)
    atlas[0, grid.EMPTY] = tile(None)
    atlas[1, grid.EMPTY] = tile(None, agent=True)
    for kind in _DRAWN_KINDS:
        for colour in COLOR_TO_IDX.values():
            for state in (grid.OPEN, grid.CLOSED, grid.LOCKED) if kind == grid.DOOR else (0,):
                atlas[0, kind, colour, state] = tile(WorldObj.decode(kind, colour, state))
            if kind in (grid.KEY, grid.BALL, grid.BOX):  # carried things are drawn under the agent
                atlas[1, kind, colour, 0] = tile(WorldObj.decode(kind, colour, 0), agent=True)
    return atlas


class Canvas(NamedTuple):
    """What `draw_view` draws with."""

    tiles: np.ndarray  # [agent, object, colour, state, TILE, 3] uint64: a row of a tile is 3 words of 8 bytes
    symbols: np.ndarray  # [V, V, 3] uint8: room for the view that is drawn


def canvas_of(observation: str, view: int = grid.VIEW) -> Canvas | None:
    """A canvas for views of `view` cells a side; None for symbols, as each array costs compiled code a call's time."""
    if observation == "symbolic":
        return None
    atlas = tile_atlas()
    words = atlas.reshape(*atlas.shape[:5], 3 * TILE).view(np.uint64)
    return Canvas(tiles=words, symbols=np.zeros((view, view, 3), dtype=np.uint8))


@rule
def draw_view(canvas: Canvas, out: np.ndarray) -> None:
    """Draw the symbols of the canvas into an image [V * TILE, V * TILE, 3] uint8.

    Views are indexed (column, row) as in MiniGrid, images (row, column) as everywhere.
    """
    view = canvas.symbols
    side = view.shape[0]
    # Copied in words of 8 bytes, which is ten times as fast as byte by byte.
    rows = out.reshape(side * TILE, side * TILE * 3).view(np.uint64)  # [V * TILE, V * 3]
    for j in range(side):
        for i in range(side):
            agent = 1 if i == side // 2 and j == side - 1 else 0
            tile = canvas.tiles[agent, view[i, j, 0], view[i, j, 1], view[i, j, 2]]  # [TILE, 3]
            for row in range(TILE):
                for word in range(3):
                    rows[j * TILE + row, i * 3 + word] = tile[row, word]


def draw_world(world: grid.GridState, b: int, view: np.ndarray, columns: int) -> np.ndarray:
    """MiniGrid's picture of world b, [H * 32, at most columns * 32, 3] uint8: the columns around the agent.

    What the agent's `view` [V, V, 3] shows is lit.
    """
    cells = world.grid[b]  # [W, H, 3]
    (x, y), direction = world.agent_pos[b], int(world.agent_dir[b])
    fx, fy = DIR_TO_VEC[direction]  # forward
    lit = np.zeros(cells.shape[:2], dtype=bool)
    for i, j in np.argwhere(view[..., 0] != grid.UNSEEN):
        right, ahead = i - len(view) // 2, len(view) - 1 - j
        seen = x + ahead * fx - right * fy, y + ahead * fy + right * fx
        if 0 <= seen[0] < len(cells) and 0 <= seen[1] < cells.shape[1]:
            lit[seen] = True
    columns = min(columns, len(cells))
    left = int(np.clip(x - columns // 2, 0, len(cells) - columns))
    window = slice(left, left + columns)
    return Grid.decode(cells[window])[0].render(PICTURE_TILE, (x - left, y), direction, lit[window])


def things_in(view: np.ndarray) -> list[str]:
    """What a symbolic view [V, V, 3] shows beside walls and floor, such as "green key", sorted."""
    things = view[~np.isin(view[..., 0], (grid.UNSEEN, grid.EMPTY, grid.WALL, grid.FLOOR))]
    return sorted(f"{IDX_TO_COLOR[colour]} {IDX_TO_OBJECT[kind]}" for kind, colour, _ in things.tolist())
