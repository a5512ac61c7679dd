"""The command `reinstate play`: one environment, played by keyboard."""

from __future__ import annotations

import shutil
import string
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import pygame
import tyro
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import HumanRendering
from minigrid.minigrid_env import MiniGridEnv

from reinstate.envs.adapt import make_single
from reinstate.envs.engine.pixels import things_in
from reinstate.envs.errors import EnvError, cause_of
from reinstate.envs.grid_tmaze import SingleMaze
from reinstate.envs.naming import find_spec
from reinstate.experiment.build import count_actions
from reinstate.experiment.errors import UserError
from reinstate.experiment.keyboard import read_keys
from reinstate.experiment.option_values import check_ranges
from reinstate.experiment.options import parse_env_kwargs

KEY_OF_ACTION = {
    "left": "left",
    "right": "right",
    "up": "up",
    "down": "down",
    "west": "left",
    "east": "right",
    "north": "up",
    "south": "down",
    "forward": "up",
    "toggle": "space",
    "pickup": "p",
    "drop": "d",
    "done": "enter",
}
NEW_EPISODE, QUIT = "r", "q"
OTHER_KEYS = [key for key in string.digits + string.ascii_lowercase if key not in (NEW_EPISODE, QUIT)]
TEXT_LINES = 8  # under the picture: keys, what happened and what is in view take more than one each


@dataclass(frozen=True)
class PlayOptions:
    """Play an environment by keyboard."""

    env: tyro.conf.Positional[str]
    """Environment id."""
    env_kwargs: tuple[str, ...] = ()
    """Keyword arguments of the environment: length=10 distractors=6."""
    seed: int | None = None
    """Seed of the first episode, and with it of all that follow; random if left out."""
    window: bool = False
    """A window of pygame, which also takes the keys, in place of a picture in the terminal."""


def play(options: PlayOptions) -> int:
    """Plays until the quit key or the end of the input; returns the exit code."""
    check_ranges({"seed": options.seed})
    env = make_env(options)
    try:
        keys = keys_of_actions(action_names(env))
        listing = ", ".join(f"{key} = {name}" for key, (_, name) in keys.items())
        listing = f"keys: {listing}, {NEW_EPISODE} = new episode, {QUIT} = quit"
        draw = sys.stdout.isatty() and not options.window
        if not draw:
            print(listing, flush=True)
        with closing(read_keys(options.window)) as pressed:
            for sentence in play_episodes(env, keys, pressed, options.seed):
                text = sentence + in_view(env)
                print(f"{_screen(env)}{listing}\n{text}" if draw else text, flush=True)
    except pygame.error as error:
        raise UserError(f"--window finds no screen to open a window on ({error}): leave it out") from error
    finally:
        env.close()
    return 0


def make_env(options: PlayOptions) -> gym.Env:
    """The environment with its picture; raises UserError for what is unknown or cannot be shown."""
    try:
        if "rgb_array" not in render_modes(find_spec(options.env)):
            raise UserError(f"{options.env} cannot be played: it has no render_mode 'rgb_array', which is the picture")
        env = make_single(options.env, parse_env_kwargs(options.env_kwargs), render_mode="rgb_array")
    except (ValueError, TypeError, AssertionError, gym.error.Error) as error:  # some environments assert
        raise UserError(str(error) or f"{options.env} refuses --env-kwargs {' '.join(options.env_kwargs)}") from error
    env = Told(env, options.env)
    return HumanRendering(env) if options.window else env


class Told(gym.Wrapper[Any, Any, Any, Any]):
    """An environment whose failures are an EnvError, which names it."""

    def __init__(self, env: gym.Env, env_id: str) -> None:
        super().__init__(env)
        self.env_id = env_id

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        with self.telling("reset"):
            return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        with self.telling("step"):
            return self.env.step(action)

    def render(self) -> Any:
        with self.telling("render"):
            picture = self.env.render()
        if not isinstance(picture, np.ndarray):
            raise EnvError(f"{self.env_id} gave no picture in render, but {picture!r}")
        return picture

    @contextmanager
    def telling(self, where: str) -> Iterator[None]:
        """What is raised inside is an EnvError."""
        try:
            yield
        except Exception as error:
            raise EnvError(f"{self.env_id} failed in {where}: {cause_of(error)}") from error


def render_modes(spec: EnvSpec) -> Sequence[str]:
    """The render modes that an environment's class declares; a function that makes one is trusted."""
    entry: object = spec.entry_point
    maker = gym.envs.registration.load_env_creator(entry) if isinstance(entry, str) else entry
    return getattr(maker, "metadata", {"render_modes": ["rgb_array"]}).get("render_modes") or ()


def action_names(env: gym.Env) -> list[str]:
    """The environment's own names of its actions, or their numbers."""
    count, base = count_actions(env.action_space), env.unwrapped
    if isinstance(base, MiniGridEnv):
        return [action.name for action in base.actions][:count]
    return list(getattr(base, "action_names", range(count)))


def keys_of_actions(names: list[Any]) -> dict[str, tuple[int, str]]:
    """Number and name of the action of each key: the arrows where all names are known, else digits.

    >>> keys_of_actions(["north", "south"])
    {'up': (0, 'north'), 'down': (1, 'south')}
    >>> keys_of_actions(["leave", "take"])
    {'0': (0, 'leave'), '1': (1, 'take')}
    """
    if len(names) > len(OTHER_KEYS):
        raise UserError(f"the environment has {len(names)} actions, and only {len(OTHER_KEYS)} can have a key")
    known = all(name in KEY_OF_ACTION for name in names)
    keys = [KEY_OF_ACTION[name] for name in names] if known else OTHER_KEYS
    return {key: (number, str(name)) for number, (name, key) in enumerate(zip(names, keys, strict=False))}


def play_episodes(
    env: gym.Env, keys: dict[str, tuple[int, str]], pressed: Iterator[str], seed: int | None
) -> Iterator[str]:
    """Lets each key act; yields a sentence about what happened."""
    steps, total, over = 0, 0.0, False
    env.reset(seed=seed)
    yield beginning(env)
    for key in pressed:
        if key == QUIT:
            return
        if key == NEW_EPISODE:
            steps, total, over = 0, 0.0, False
            env.reset()
            yield beginning(env)
        elif over:
            yield f"the episode is over: {NEW_EPISODE} starts a new one, {QUIT} quits"
        elif key not in keys:
            yield f"no action has the key {key!r}"
        else:
            action, name = keys[key]
            _, reward, terminated, truncated, info = env.step(action)
            steps, total, over = steps + 1, total + float(reward), terminated or truncated
            sentence = f"step {steps}: {name}, reward {float(reward):g}, return {total:g}"
            yield f"{sentence}\n{ending(terminated, info, steps, total)}" if over else sentence


def beginning(env: gym.Env) -> str:
    """That an episode begins, with the mission where there is one (grids)."""
    mission = getattr(env.unwrapped, "mission", None)
    return f"a new episode: {mission}" if mission else "a new episode"


def ending(terminated: bool, info: dict[str, Any], steps: int, total: float) -> str:
    """How an episode ended.

    >>> ending(True, {"is_success": True}, 3, 1.0)
    'episode terminated with success at step 3, return 1; r starts a new one, q quits'
    """
    words = {True: " with success", False: " without success", None: ""}
    success = words[bool(info["is_success"]) if "is_success" in info else None]
    how = "terminated" if terminated else "truncated"
    return f"episode {how}{success} at step {steps}, return {total:g}; {NEW_EPISODE} starts a new one, {QUIT} quits"


def in_view(env: gym.Env) -> str:
    """A line with the things that the agent of a grid sees: in a small picture a key and a ball look alike."""
    base = env.unwrapped
    if isinstance(base, MiniGridEnv):
        grid, visible = base.gen_obs_grid()  # type: ignore[no-untyped-call]
        things = things_in(grid.encode(visible))
    elif isinstance(base, SingleMaze):
        things = base.in_view()
    else:
        return ""
    return f"\nin view: {', '.join(things) or 'nothing'}"


def _screen(env: gym.Env) -> str:
    """A cleared screen with the environment's picture on it, and room for the text below."""
    picture: Any = env.render()  # an array, as `Told` sees to
    columns, lines = shutil.get_terminal_size()
    return "\x1b[H\x1b[J" + half_blocks(picture, columns, max(1, lines - TEXT_LINES))


def half_blocks(picture: np.ndarray, columns: int, lines: int) -> str:
    """A picture, [H, W, 3] uint8, as coloured text: each character is an upper half and a lower half."""
    height, width = picture.shape[:2]
    scale = min(columns / width, 2 * lines / height, 1.0)
    small = _shrink(picture, max(1, round(height * scale)), max(1, round(width * scale)))
    if len(small) % 2:
        small = np.concatenate([small, np.zeros_like(small[:1])])
    rows = []
    for upper, lower in zip(small[::2].tolist(), small[1::2].tolist(), strict=True):
        cells = (f"\x1b[38;2;{r};{g};{b};48;2;{x};{y};{z}m▀" for (r, g, b), (x, y, z) in zip(upper, lower, strict=True))
        rows.append("".join(cells) + "\x1b[0m\n")
    return "".join(rows)


def _shrink(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The mean colour of each of height x width blocks."""
    top = np.linspace(0, picture.shape[0], height + 1).astype(int)
    left = np.linspace(0, picture.shape[1], width + 1).astype(int)
    sums: np.ndarray = np.add.reduceat(np.add.reduceat(picture.astype(np.int64), top[:-1], axis=0), left[:-1], axis=1)
    pixels: np.ndarray = np.diff(top)[:, None, None] * np.diff(left)[None, :, None]
    means: np.ndarray = sums // pixels
    return means.astype(np.uint8)
