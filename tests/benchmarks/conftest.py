"""Tiny trained runs, each trained once for all tests of benchmarks, in this process."""

import shutil

import pytest

import benchmarks.engine
import benchmarks.training_runs
from reinstate.experiment.cli import main

TINY = "--total-timesteps 64 --num-envs 2 --eval-episodes 2 --rollout-steps 16"
CORRIDOR = "--env Reinstate/GridTMazePassive-v0 --env-kwargs length=4"


@pytest.fixture(scope="session")
def train_tiny(tmp_path_factory):
    """train_tiny(words of train.py, the last ones --run-dir and a folder): makes the folder."""
    made = {}

    def train(words):
        script, *flags, option, folder = words
        assert (script, option) == ("train.py", "--run-dir")
        if tuple(flags) not in made:
            made[tuple(flags)] = tmp_path_factory.mktemp("trained") / "run"
            assert main(["train", *flags, "--run-dir", str(made[tuple(flags)])]) == 0
        shutil.copytree(made[tuple(flags)], folder)

    return train


@pytest.fixture
def results(tmp_path, monkeypatch, train_tiny):
    """Where rows and tables of a test go; runs are trained in this process and evaluated on few episodes."""
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(benchmarks.engine, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(benchmarks.engine, "SUITES", tmp_path)
    monkeypatch.setattr(benchmarks.training_runs, "train", train_tiny)
    monkeypatch.setattr(benchmarks.training_runs, "EPISODES", 4)
    return tmp_path / "results"
