"""A run that was stopped goes on as if nothing had happened, to the bit."""

import dataclasses
import shutil
import signal
import sys

import pytest

import reinstate
from reinstate.experiment.cli import main
from reinstate.experiment.run_folder import read_options
from reinstate.experiment.trained import load_agent
from tests.experiment.runs import assert_same_runs, files_of, send

MAZE, VECTOR = "Reinstate/GridTMazePassive-v0", "Reinstate/TMazePassive-v0"
QUICK = ["--epochs", "2"]
REPLAY = ["--replay-size", "16", "--replay-batch", "4", "--codec-updates", "2"]
CASES = {
    "memory, symbols": (["--slots", "8", *REPLAY], MAZE, 4),
    "memory, vector, synthetic": (["--credit", "synthetic", *REPLAY], VECTOR, 4),
    "memory, vector, bootstrap": (["--credit", "bootstrap", "--codec-updates", "2"], VECTOR, 4),
    "memory, pixels, refresh": (
        ["--env-kwargs", "delay=1", "--recalculation", "refresh", *REPLAY],
        "Reinstate/KeyToDoor-v0",
        None,
    ),
    "memory, oracle, every step": (["--recalculation", "oracle", "--no-action-repeat", *REPLAY], MAZE, 4),
    "memory, others' environment": (REPLAY, "CartPole-v1", None),
    "lstm, symbols": (["--agent", "lstm"], MAZE, 4),
    "lstm, vector": (["--agent", "lstm"], VECTOR, 4),
    "gru, pixels": (["--agent", "gru", "--env-kwargs", "delay=1"], "Reinstate/KeyToDoor-v0", None),
    "none, symbols": (["--agent", "none"], MAZE, 4),
    "none, others' environment": (["--agent", "none"], "CartPole-v1", None),
}
LATER = ["--eval-every", "300", "--save-every", "100", "--eval-episodes", "2", *QUICK]


FAST = ("memory, symbols", "memory, others' environment", "lstm, vector", "gru, pixels")


@pytest.mark.parametrize("case", [c if c in FAST else pytest.param(c, marks=pytest.mark.slow) for c in CASES])
def test_a_run_that_is_stopped_goes_on_to_the_bit(train, tmp_path, monkeypatch, case):
    """Stopped in the middle of an episode and of a rollout, in its first part and again later."""
    flags, env, length = CASES[case]

    def go(name):
        return train(tmp_path / name, *LATER, *flags, env=env, length=length, steps=640)

    monkeypatch.setattr("reinstate.experiment.schedule.LOG_EVERY", 64)
    assert go("whole") == 0
    for number, at in ((signal.SIGTERM, 23), (signal.SIGINT, 2), (signal.SIGHUP, 70)):
        with monkeypatch.context() as patch:
            send(patch, number, at)
            assert go("stopped") == 128 + number
    assert go("stopped") == 0
    assert_same_runs(tmp_path / "whole", tmp_path / "stopped")
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "stopped")


def test_twice_the_steps_are_those_of_two_halves(train, tmp_path):
    """With schedules that do not depend on the length of the run."""
    steady = ["--final-learning-rate", "1e-3", "--final-ent-coef", "0.03", "--novelty-bonus", "0", "--eval-every", "0"]
    for name, steps in (("whole", 640), ("halves", 320), ("halves", 640)):
        assert train(tmp_path / name, *steady, env=MAZE, steps=steps) == 0
    (a, _, _), (b, _, _) = load_agent(tmp_path / "whole"), load_agent(tmp_path / "halves")
    assert all((p == q).all() for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_resume_takes_the_runs_own_options(train, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(run, "--agent", "none", "--seed", "3", steps=64) == 0
    config = read_options(run)
    assert main(["train", "--resume", str(run), "--total-timesteps", "128"]) == 0
    assert "goes on from step 64" in capsys.readouterr().out
    assert load_agent(run)[2] == 128
    assert read_options(run) == dataclasses.replace(config, total_timesteps=128)
    assert len((run / "command.txt").read_text().splitlines()) == 2
    assert main(["train", f"--resume={run}"]) == 0
    printed = capsys.readouterr().out
    assert "has finished after 128 steps; raise --total-timesteps to go on" in printed and "final.json" in printed
    assert reinstate.train(resume=run, total_timesteps=192) == run
    assert load_agent(run)[2] == 192


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--seed", "9"], "holds a run with --seed 1, and here it is 9: leave it out, or choose another --run-dir"),
        (["--env", "CartPole-v1"], "with --env Reinstate/TMazePassive-v0, and here it is CartPole-v1"),
        (["--env-kwargs", "length=7"], "with --env-kwargs length=4, and here it is length=7"),
        (["--agent", "lstm"], "with --agent none, and here it is lstm"),
        (["--learning-rate", "0.1"], "What may change is --total-timesteps, --eval-every"),
        (["--run-dir", "elsewhere"], "leave --run-dir out"),
    ],
)
def test_what_may_not_change(memoryless_run, tmp_path, capsys, flags, says):
    run = shutil.copytree(memoryless_run, tmp_path / "run")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main(["train", "--resume", str(run), "--total-timesteps", "999", *flags]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and says in error and error.count("\n") == 1
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_run_that_is_not_there(tmp_path, capsys):
    assert main(["train", "--resume", str(tmp_path / "no")]) == 2
    assert "no is no run folder" in capsys.readouterr().err


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(train, tmp_path):
    run = tmp_path / "run"
    for name in ("whole", "run"):
        assert train(tmp_path / name, "--agent", "none", "--eval-every", "64") == 0
    shutil.rmtree(run / "checkpoints")
    shutil.rmtree(run / "eval")
    (run / ".config.json.staged").write_text("half")
    assert train(run, "--agent", "none", "--eval-every", "64") == 0
    assert_same_runs(run, tmp_path / "whole")


def test_a_folder_whose_run_was_killed_before_it_began(train, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "versions.json").write_text("{}")
    (run / ".command.txt.staged").write_text("half")
    assert train(run, "--agent", "none", steps=64) == 0
    assert not (run / ".command.txt.staged").exists()


def test_logs_that_lost_what_a_checkpoint_counts_on(memoryless_run, tmp_path, capsys):
    run = shutil.copytree(memoryless_run, tmp_path / "run")
    (run / "monitor.csv").write_text("")
    assert main(["train", "--resume", str(run), "--total-timesteps", "192"]) == 2
    error = capsys.readouterr().err
    assert f"{run / 'monitor.csv'} has lost what was written before the checkpoint" in error and error.count("\n") == 1


MODULE = """
import gymnasium, pathlib
pathlib.Path("imported").write_text("yes")
gymnasium.register("Mine-v0", "gymnasium.envs.classic_control:CartPoleEnv", max_episode_steps=20)
"""


@pytest.mark.parametrize("command", ["evaluate", "inspect", "train"])
def test_a_strangers_run_imports_nothing(train, tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "strangers_module.py").write_text(MODULE)
    sys.modules.pop("strangers_module", None)
    run, env = tmp_path / "run", "strangers_module:Mine-v0"
    assert train(run, env=env, length=None, steps=64) == 0
    (tmp_path / "imported").unlink()
    del sys.modules["strangers_module"]
    words = ["train", "--resume", str(run), "--total-timesteps", "128"] if command == "train" else [command, str(run)]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert f"using it imports the module 'strangers_module': if you trust it, add --trust or --env {env}" in error
    assert not (tmp_path / "imported").exists()
    assert main([*words, "--env", env]) == 0
    assert (tmp_path / "imported").exists()
    assert main([*words, "--trust"]) == 0
    assert main(["train", "--run-dir", str(tmp_path / "then"), "--start-from", str(run)]) == 2
