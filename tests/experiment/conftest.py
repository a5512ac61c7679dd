"""Tiny runs: two that are trained once for all tests, and a way to train others."""

import signal
from pathlib import Path

import pytest

from reinstate.experiment.cli import main
from reinstate.experiment.signals import SIGNALS

TINY = "--num-envs 4 --eval-episodes 4 --rollout-steps 16 --rollout-decisions 16".split()


def tiny(folder: Path, *flags: str, env: str = "Reinstate/TMazePassive-v0", length: int | None = 4, steps: int = 128):
    """Trains by the command, on five-step episodes of vectors if nothing else is said; returns the exit code."""
    place = ["--run-dir", str(folder), "--env", env, "--total-timesteps", str(steps)]
    kwargs = ["--env-kwargs", f"length={length}"] if length else []
    return main(["train", *place, *kwargs, *TINY, *flags])


@pytest.fixture(scope="session")
def train():
    return tiny


@pytest.fixture(scope="session")
def memory_run(tmp_path_factory):
    """A run of the memory agent on symbolic grids, 320 steps. Shared: change only a copy."""
    run = tmp_path_factory.mktemp("memory") / "run"
    assert tiny(run, env="Reinstate/GridTMazePassive-v0", steps=320) == 0
    return run


@pytest.fixture(scope="session")
def memoryless_run(tmp_path_factory):
    """A run without a memory, 128 steps. Shared: change only a copy."""
    run = tmp_path_factory.mktemp("memoryless") / "run"
    assert tiny(run, "--agent", "none") == 0
    return run


@pytest.fixture(autouse=True)
def signals_are_not_ignored():
    """A shell lets a job in the background ignore Ctrl-C, and a run respects that."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
