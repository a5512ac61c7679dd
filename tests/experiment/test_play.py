"""The command `reinstate play`, driven by lines of text and through a terminal that nobody sits at."""

import io
import os
import re

import gymnasium as gym
import numpy as np
import pygame
import pytest

from reinstate.experiment.cli import main
from reinstate.experiment.errors import UserError
from reinstate.experiment.keyboard import keys_of_terminal, keys_of_window
from reinstate.experiment.play import TEXT_LINES, action_names, half_blocks, keys_of_actions
from tests.envs.maze_play import ALL_IDS

T_MAZE = ["Reinstate/TMazePassive-v0", "--env-kwargs", "length=2", "--seed", "0"]  # the goal of seed 0 is up


def play(monkeypatch, keys, *arguments):
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{key}\n" for key in keys)))
    return main(["play", *arguments])


def test_a_t_maze_is_won(monkeypatch, capsys):
    assert play(monkeypatch, ["right", "right", "up", "q"], *T_MAZE) == 0
    printed = capsys.readouterr().out
    *_, last, end = printed.splitlines()
    assert last == "step 3: up, reward 1, return 1"
    assert end.startswith("episode terminated with success at step 3, return 1")
    assert "\x1b" not in printed


def test_what_follows_the_quit_key_is_not_played(monkeypatch, capsys):
    assert play(monkeypatch, ["right", "q", "right"], *T_MAZE) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "step 1: right, reward 0, return 0"


def test_losing_restarting_and_keys_without_an_action(monkeypatch, capsys):
    keys = ["left", "right", "z", "DOWN", "up", "r", "right"]  # then the input ends
    assert play(monkeypatch, keys, *T_MAZE) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "a new episode",
        "step 1: left, reward -0.5, return -0.5",
        "step 2: right, reward -0.5, return -1",
        "no action has the key 'z'",
        "step 3: down, reward 0, return -1",
        "episode terminated without success at step 3, return -1; r starts a new one, q quits",
        "the episode is over: r starts a new one, q quits",
        "a new episode",
        "step 1: right, reward 0, return 0",
    ]


def test_the_keys_of_minigrid(monkeypatch, capsys):
    keys = ["left", "right", "up", "p", "d", "space", "enter"]
    assert play(monkeypatch, keys, "MiniGrid-MemoryS7-v0") == 0
    printed = capsys.readouterr().out
    assert "a new episode: go to the matching object" in printed
    played = re.findall(r"step \d: (\w+),", printed)
    assert played == ["left", "right", "forward", "pickup", "drop", "toggle", "done"]


@pytest.mark.parametrize(("seed", "cue"), [(0, "green ball"), (1, "green key")])
def test_the_cue_of_a_grid_is_named_while_it_is_in_view(monkeypatch, capsys, seed, cue):
    arguments = ["Reinstate/GridTMazePassive-v0", "--env-kwargs", "length=10", "--seed", str(seed)]
    assert play(monkeypatch, ["left", "left"], *arguments) == 0
    seen = [line for line in capsys.readouterr().out.splitlines() if line.startswith("in view: ")]
    assert seen[0] == f"in view: {cue}" and seen[2] == "in view: nothing"


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_the_listing_names_every_action_of_the_page(env_id, monkeypatch, capsys):
    env = gym.make(env_id)
    table = env.unwrapped.__doc__.split("## Actions")[1].split("## Observation")[0]
    names = re.findall(r"^ *\| \d+ +\| (\S+)", table, re.MULTILINE)
    assert names == action_names(env) and len(names) == env.action_space.n
    assert play(monkeypatch, ["q"], env_id) == 0
    listing = capsys.readouterr().out.splitlines()[0]
    assert all(f" = {name}," in listing for name in names)


def test_other_environments_have_digits_and_letters():
    assert action_names(gym.make("CartPole-v1")) == [0, 1]
    keys = keys_of_actions(list(range(18)))
    assert [number for number, _ in keys.values()] == list(range(18)) and not {"q", "r"} & set(keys)


@pytest.mark.parametrize("env_id", [*ALL_IDS, "MiniGrid-MemoryS7-v0"])
def test_every_id_renders(env_id, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gym.make(env_id, render_mode="rgb_array")
    env.reset(seed=0)
    for frame in (env.render(), (env.step(0), env.render())[1]):
        assert frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3
    human = gym.make(env_id, render_mode="human")
    assert human.render_mode in human.metadata["render_modes"]
    human.reset(seed=0)
    human.step(0)
    human.close()


def test_a_window_is_opened(monkeypatch, capsys):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    assert play(monkeypatch, ["right", "right", "up"], *T_MAZE, "--window") == 0
    assert "with success" in capsys.readouterr().out


def test_no_screen_for_a_window(monkeypatch, capsys):
    monkeypatch.setenv("SDL_VIDEODRIVER", "none such")
    assert play(monkeypatch, [], *T_MAZE, "--window") == 2
    assert "leave it out" in capsys.readouterr().err


def test_a_terminal_gives_keys_as_they_are_pressed():
    pytest.importorskip("termios")
    ours, theirs = os.openpty()
    os.write(ours, b"\x1b[A\x1bOB\x1b[3~\x1b[1;5C\x1b[C\x1b[D \xc3\xa9P\nq")
    keys = keys_of_terminal(theirs)
    assert [next(keys) for _ in range(8)] == ["up", "down", "right", "left", "space", "p", "enter", "q"]
    keys.close()


def test_a_window_gives_keys_until_it_is_closed(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame.display.init()
    pygame.display.set_mode((9, 9))
    for key in (pygame.K_LEFT, pygame.K_UP, pygame.K_SPACE, pygame.K_RETURN, pygame.K_p, pygame.K_0):
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert list(keys_of_window()) == ["left", "up", "space", "enter", "p", "0"]
    pygame.display.quit()


def test_the_picture_as_text():
    red, blue = (200, 0, 0), (0, 0, 200)
    picture = np.array([[red] * 4, [red] * 4, [blue] * 4, [blue] * 4], dtype=np.uint8)
    cell = "\x1b[38;2;200;0;0;48;2;0;0;200m▀"
    assert half_blocks(picture, columns=2, lines=9) == cell * 2 + "\x1b[0m\n"
    assert half_blocks(picture, columns=80, lines=1) == cell * 2 + "\x1b[0m\n"
    assert half_blocks(picture, columns=80, lines=9).count("\n") == 2  # never larger than it is


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["Reinstate/TMazePasive-v0"], "Did you mean 'Reinstate/TMazePassive-v0'"),
        (["Reinstate/TMazePassive-v0", "--env-kwargs", "lenght=5"], "Did you mean 'length'"),
        (["Reinstate/TMazePassive-v0", "--env-kwargs", "length=0"], "length=0"),
        (["Reinstate/TMazePassive-v0", "--env-kwargs", "length"], "name=value"),
        (["Reinstate/TMazePassive-v0", "--seed", "-1"], "--seed"),
        (["Pendulum-v1"], "Discrete"),
    ],
)
def test_bad_input_is_one_sentence(monkeypatch, capsys, arguments, says):
    assert play(monkeypatch, ["q"], *arguments) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and says in said.err and said.err.count("\n") == 1
    assert said.out == ""


def test_an_environment_without_a_picture_is_refused(monkeypatch, capsys):
    monkeypatch.setitem(gym.registry, "Bare-v0", gym.envs.registration.EnvSpec("Bare-v0", entry_point=gym.Env))
    assert play(monkeypatch, ["q"], "Bare-v0") == 2
    assert capsys.readouterr().err.count("rgb_array") == 1


def test_a_terminal_shows_the_picture_above_the_text(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: (40, 21))
    assert play(monkeypatch, ["right"], *T_MAZE) == 0
    screens = capsys.readouterr().out.split("\x1b[H\x1b[J")[1:]
    assert len(screens) == 2 and all("keys: " in screen for screen in screens)
    assert all(0 < screen.count("\x1b[0m\n") <= 21 - TEXT_LINES for screen in screens)
    assert screens[1].endswith("step 1: right, reward 0, return 0\n")


def test_more_actions_than_keys():
    assert len(keys_of_actions(list(range(34)))) == 34
    with pytest.raises(UserError, match="the environment has 35 actions, and only 34 can have a key"):
        keys_of_actions(list(range(35)))


class Broken(gym.Env):
    """Fails in its second step, or where it is told to."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space, action_space = gym.spaces.Box(0.0, 1.0, (1,)), gym.spaces.Discrete(2)

    def __init__(self, render_mode=None, fails_in="step"):
        self.render_mode, self.fails_in, self.steps = render_mode, fails_in, 0

    def reset(self, *, seed=None, options=None):
        if self.fails_in == "reset":
            raise LookupError("no level")
        return np.zeros(1), {}

    def step(self, action):
        self.steps += 1
        return (np.zeros(1), 0.0, self.steps == 2, False, {}) if self.steps < 3 else 1 / 0

    def render(self):
        return np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("kwargs", "keys", "says"),
    [
        (["fails_in=reset"], [], "Broken-v0 failed in reset: LookupError: no level ("),
        ([], ["0", "1", "r", "0"], "Broken-v0 failed in step: ZeroDivisionError: division by zero ("),
    ],
)
def test_an_environment_that_fails_is_one_sentence(monkeypatch, capsys, kwargs, keys, says):
    gym.register("Broken-v0", Broken)
    try:
        assert play(monkeypatch, keys, "Broken-v0", *(["--env-kwargs", *kwargs] if kwargs else [])) == 1
    finally:
        del gym.registry["Broken-v0"]
    error = capsys.readouterr().err
    assert error.startswith(f"error: {says}") and error.count("\n") == 1


def test_an_environment_that_draws_nothing(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(Broken, "render", lambda self: None)
    monkeypatch.setitem(gym.registry, "Blank-v0", gym.envs.registration.EnvSpec("Blank-v0", entry_point=Broken))
    assert play(monkeypatch, [], "Blank-v0") == 1
    assert "gave no picture in render, but NoneType\n" in capsys.readouterr().err
