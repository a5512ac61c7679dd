"""Environments in modules of a user's own: found in the current folder, and what is wrong with them is one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest

from reinstate.envs import naming
from reinstate.envs.adapt import make_single
from reinstate.experiment.cli import main

MODULE = """
import gymnasium
from gymnasium.spaces import Box, Discrete

class Mine(gymnasium.Env):
    observation_space, action_space = Box(0.0, 1.0, (2,)), Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.random(2), {}

    def step(self, action):
        return self.np_random.random(2), 1.0, self.np_random.random() < 0.3, False, {}

gymnasium.register("Mine-v0", Mine)
gymnasium.register("Elsewhere-v0", "no_such_file:Mine")
gymnasium.register("Misspelt-v0", "mine_of_test:Mein")
gymnasium.register("Needy-v0", "needy_of_test:Needy")
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a module that registers an environment; what is imported from there is forgotten."""
    (tmp_path / "mine_of_test.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    path, modules, ids = list(sys.path), set(sys.modules), set(gymnasium.registry)
    monkeypatch.setattr(sys, "path", [entry for entry in path if entry != ""])  # as in a console script
    yield tmp_path
    for name in set(sys.modules) - modules:
        if name.endswith("_of_test"):
            del sys.modules[name]
    for env_id in set(gymnasium.registry) - ids:
        del gymnasium.registry[env_id]


def refusal(env, capsys):
    """The sentence that training prints."""
    assert main(["train", "--env", env, "--run-dir", "run"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and not Path("run").exists()
    return error


def test_a_module_in_the_current_folder_is_found(here, train):
    assert train(here / "run", env="mine_of_test:Mine-v0", length=None) == 0
    assert main(["evaluate", str(here / "run"), "--episodes", "2", "--trust"]) == 0


def test_the_console_script_finds_it(here):
    """That of the installation, whose path begins with its own folder."""
    script = Path(sys.executable).with_name("reinstate")
    flags = "train --env mine_of_test:Mine-v0 --agent none --num-envs 2 --total-timesteps 16 --eval-episodes 2".split()
    done = subprocess.run([script, *flags, "--run-dir", "run"], cwd=here, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_files_there_do_not_take_the_place_of_installed_packages(here):
    (here / "colorsys.py").write_text("raise RuntimeError('a stranger')")
    sys.modules.pop("colorsys", None)
    make_single("mine_of_test:Mine-v0")
    import colorsys

    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)


@pytest.mark.parametrize(
    ("env", "source", "says"),
    [
        ("absent_of_test:A-v0", None, "needs the module 'absent_of_test': it is neither installed nor in {here}."),
        ("absent_of_test.deep:A-v0", None, "needs the module 'absent_of_test': it is neither installed nor in {here}."),
        ("bad_of_test:A-v0", "x = 1\nx = = 2\n", "SyntaxError: invalid syntax ({here}/bad_of_test.py:2)"),
        ("bad_of_test:A-v0", "x = 1\n\ny = x / 0\n", "ZeroDivisionError: division by zero ({here}/bad_of_test.py:3)"),
        ("bad_of_test:A-v0", "import sys\nsys.exit('not like this')\n", "SystemExit: not like this ({here}/bad_of"),
        (
            "bad_of_test:A-v0",
            "import numpy\nimport jax.numpy\n",
            "needs the module 'jax', which {here}/bad_of_test.py:2 imports: pip install \"gymnasium[jax]\"",
        ),
        ("bad_of_test:A-v0", "import no_such_package.part\n", "bad_of_test.py:1 imports: pip install no_such_package."),
        ("bad_of_test:A-v0", "from numpy import no_such_name\n", "cannot import name 'no_such_name'"),
        ("mine_of_test:Other-v0", None, "mine_of_test ({here}/mine_of_test.py) does not register it."),
        ("mine_of_test:Mine-v1", None, "Did you mean 'Mine-v0'?"),
        ("mine_of_test:Elsewhere-v0", None, "Elsewhere-v0 needs the module 'no_such_file'"),
        ("mine_of_test:Misspelt-v0", None, "importing mine_of_test:Mein raised AttributeError"),
        ("mine_of_test:Needy-v0", None, "which {here}/needy_of_test.py:1 imports: pip install opencv-python."),
    ],
)
def test_what_is_wrong_with_a_module_is_one_sentence(here, capsys, env, source, says):
    if source is not None:
        (here / "bad_of_test.py").write_text(source)
    (here / "needy_of_test.py").write_text("import cv2\n")
    assert says.format(here=here) in refusal(env, capsys)


def installed(module):
    try:
        __import__(module)
    except ImportError:
        return False
    return True


@pytest.mark.parametrize(
    ("env", "module", "says"),
    [
        ("LunarLander-v3", "Box2D", "needs the module 'Box2D': pip install swig \"gymnasium[box2d]\""),
        ("phys2d/CartPole-v1", "jax", "needs the module 'jax': pip install \"gymnasium[jax]\""),
        ("HalfCheetah-v5", "mujoco", "needs the module 'mujoco': pip install \"gymnasium[mujoco]\""),
        ("ALE/Pong-v5", "ale_py", "pip install ale-py installs it; its id is then ale_py:ALE/Pong-v5."),
    ],
)
def test_what_gymnasiums_environments_need_is_named(capsys, env, module, says):
    if installed(module):
        pytest.skip(f"{module} is installed")
    assert main(["train", "--env", env]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_every_package_with_another_name_is_one_that_pip_knows():
    assert all(how.startswith("pip install ") for how in naming.INSTALL.values())


@pytest.mark.parametrize("view", [3, 5, 9, 15])
def test_views_of_every_size_train_without_other_options(tmp_path, train, view):
    flags = ["--env-kwargs", f"agent_view_size={view}", "--codec-updates", "1"]
    assert train(tmp_path / "run", *flags, env="MiniGrid-Empty-5x5-v0", length=None, steps=64) == 0
