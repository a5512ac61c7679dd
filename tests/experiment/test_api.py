"""Training from Python does what the command does."""

import json

import numpy as np
import pytest

import reinstate
import reinstate.experiment.trainer
from reinstate.agents.options import LearningOptions
from reinstate.experiment.api import command_of
from reinstate.experiment.cli import parse
from reinstate.experiment.options import RunOptions
from reinstate.memory.options import MemoryOptions

TINY = {"total_timesteps": 64, "num_envs": 4, "eval_episodes": 2, "rollout_steps": 16, "agent": "none"}


def test_it_trains_prints_and_returns_the_run_folder(tmp_path, capsys):
    run = reinstate.train("Reinstate/TMazePassive-v0", env_kwargs={"length": 4}, run_dir=tmp_path / "run", **TINY)
    assert run == tmp_path / "run"
    assert f"evaluate it: reinstate evaluate {run}" in capsys.readouterr().out
    config = json.loads((run / "config.json").read_text())
    assert config["env_kwargs"] == ["length=4"] and config["learning"]["rollout_steps"] == 16
    agent, options, step = reinstate.load_agent(run, env_kwargs={"length": 7})
    assert step == 64 and reinstate.evaluate(agent, options, episodes=3)["mean_ep_length"] == 8.0
    words = (run / "command.txt").read_text().split()
    assert words[:4] == ["reinstate", "train", "--env", "Reinstate/TMazePassive-v0"] and "--agent" in words


def test_the_command_that_it_writes_down_has_the_same_options():
    options = RunOptions(
        env="CartPole-v1",
        env_kwargs=("a=1", 'b="x"'),
        stop_at_success=0.5,
        memory=MemoryOptions(check_cosine=True, slots=3),
        learning=LearningOptions(action_repeat=False, horizon=0.7),
    )
    assert parse(command_of(options)[1:]) == options
    assert command_of(RunOptions()) == ["reinstate", "train"]


def test_options_by_name():
    options = RunOptions.of({"env": "E-v0", "env_kwargs": ["a=1"], "slots": np.int64(9), "ent_coef": 1, "seed": 3})
    assert options.env_kwargs == ("a=1",) and options.seed == 3
    assert options.memory.slots == 9 and type(options.memory.slots) is int
    assert options.learning.ent_coef == 1.0 and type(options.learning.ent_coef) is float
    assert RunOptions.of({"env_kwargs": "a=1"}).env_kwargs == ("a=1",)
    assert RunOptions.of({"stop_at_success": None}) == RunOptions()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"slot": 9}, "there is no option 'slot'. Did you mean 'slots'?"),
        ({"memory": {}}, "there is no option 'memory'"),
        ({"agent": "lstmm"}, "--agent is 'lstmm'; it must be memory or lstm or gru or none"),
        ({"slots": 9.5}, "--slots is 9.5; it must be a whole number"),
        ({"slots": True}, "--slots is True; it must be a whole number"),
        ({"check_cosine": 1}, "--check-cosine is 1; it must be True or False"),
        ({"stop_at_success": "x"}, "--stop-at-success is 'x'; it must be a number or None"),
        ({"run_dir": 7}, "--run-dir is 7; it must be a string or None"),
        ({"env_kwargs": {"length": object()}}, "env_kwargs must be numbers, strings, True, False or None"),
        ({"env_kwargs": {"lenght": 5}}, "Did you mean 'length'?"),
        ({"heads": 0}, "--heads is 0; it must be from 1 to 1024"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(reinstate.UserError) as error:
        reinstate.train("Reinstate/GridTMazePassive-v0", **options)
    assert says in str(error.value) and "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "where", "steps"), [(KeyboardInterrupt, "collect", 0), (FloatingPointError, "update", 64)]
)
def test_what_ends_training_early_is_raised(tmp_path, monkeypatch, error, where, steps):
    def broken(*_):
        raise error

    monkeypatch.setattr(reinstate.experiment.trainer, where, broken)
    with pytest.raises(error):
        reinstate.train("Reinstate/TMazePassive-v0", run_dir=tmp_path / "run", **TINY)
    assert reinstate.load_agent(tmp_path / "run")[2] == steps
