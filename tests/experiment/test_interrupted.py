"""Whatever ends a training run early, what was learnt until then is saved, and the run can go on."""

import os
import shutil
import signal

import pytest

import reinstate.experiment.trainer
import reinstate.experiment.training
from reinstate.agents.collector import Collector
from reinstate.envs.errors import EnvError
from reinstate.experiment import checkpoint, files
from reinstate.experiment.trained import load_agent
from tests.experiment.runs import send


def fail_at(monkeypatch, module, name, call, error):
    """The `call`-th call of a function raises `error`."""
    real, calls = getattr(module, name), []

    def failing(*arguments, **keywords):
        calls.append(1)
        if len(calls) == call:
            raise error
        return real(*arguments, **keywords)

    monkeypatch.setattr(module, name, failing)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_saves_in_the_middle_of_a_rollout(train, tmp_path, monkeypatch, capsys, name, code):
    send(monkeypatch, getattr(signal, name), at=18)
    assert train(tmp_path / "run", "--agent", "none", steps=320) == code
    assert load_agent(tmp_path / "run")[2] == 72
    printed = capsys.readouterr().out
    assert (
        f"stopped by {name} at 72 steps. The last checkpoint is of step 72; go on: reinstate train --resume" in printed
    )


def test_a_second_signal_does_not_cut_the_saving(train, tmp_path, monkeypatch):
    real = files.write

    def write(path, data):
        signal.raise_signal(signal.SIGINT)
        real(path, data)

    monkeypatch.setattr(files, "write", write)  # at each file of a checkpoint, the run's folder included
    send(monkeypatch, signal.SIGTERM, at=18)
    assert train(tmp_path / "run", "--agent", "none", steps=320) == 130  # while the folder is made
    monkeypatch.undo()
    monkeypatch.setattr(reinstate.experiment.training.Run, "begin", after(monkeypatch, write))
    send(monkeypatch, signal.SIGTERM, at=18)
    assert train(tmp_path / "run", "--agent", "none", steps=320) == 143
    assert load_agent(tmp_path / "run")[2] == 72


def after(monkeypatch, write):
    """`Run.begin`, after which files are written by `write`."""
    real = reinstate.experiment.training.Run.begin

    def begin(self, *arguments):
        real(self, *arguments)
        monkeypatch.setattr(files, "write", write)

    return begin


@pytest.mark.parametrize("call", [1, 2])
def test_a_signal_in_an_evaluation_comes_after_the_checkpoint(train, tmp_path, monkeypatch, call):
    real, calls = reinstate.experiment.training.evaluate, []

    def evaluate(*arguments):
        calls.append(1)
        if len(calls) == call:
            signal.raise_signal(signal.SIGTERM)
        return real(*arguments)

    monkeypatch.setattr(reinstate.experiment.training, "evaluate", evaluate)
    assert train(tmp_path / "run", "--agent", "none", "--eval-every", "0") == 143
    assert load_agent(tmp_path / "run")[2] == 128
    assert not (tmp_path / "run" / "eval").exists()
    assert train(tmp_path / "run", "--agent", "none", "--eval-every", "0") == 0  # only the evaluation is left
    assert (tmp_path / "run" / "eval" / "final.json").is_file()


def test_a_signal_before_anything_is_there(train, tmp_path, monkeypatch):
    def build(options, begins):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(reinstate.experiment.training, "build", build)
    assert train(tmp_path / "run") == 143
    assert not (tmp_path / "run").exists()


def test_signals_are_the_callers_again_afterwards(train, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    assert train(tmp_path / "run", "--agent", "none", steps=64) == 0
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    "error", [EnvError("environment 2 of X raised"), FloatingPointError("environment 2 returned the reward nan")]
)
def test_an_environment_that_fails(train, tmp_path, monkeypatch, capsys, error):
    """What was learnt is saved, and new episodes begin when it goes on: nobody knows in which state it is."""
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        fail_at(patch, Collector, "step", 20, error)
        assert train(run, "--agent", "none", steps=320) == 1
    captured = capsys.readouterr()
    assert captured.err == f"error: {error}\n"
    assert load_agent(run)[2] == 76 and "Traceback" in (run / "error.txt").read_text()
    assert train(run, "--agent", "none", steps=320) == 0
    assert "new episodes begin in 4 environments" in capsys.readouterr().out
    assert load_agent(run)[2] == 320 and not (run / "error.txt").exists()


def test_an_update_that_breaks_down(train, tmp_path, monkeypatch, capsys):
    error = FloatingPointError("the gradient is not finite")
    fail_at(monkeypatch, reinstate.experiment.trainer, "update", 2, error)
    assert train(tmp_path / "run", "--agent", "none") == 1
    assert "error: the gradient is not finite" in capsys.readouterr().err
    assert load_agent(tmp_path / "run")[2] == 128


def test_a_disk_that_is_full_and_a_folder_that_is_gone(train, tmp_path, monkeypatch, capsys):
    run, flags = tmp_path / "run", ["--agent", "none", "--save-every", "64"]
    with monkeypatch.context() as patch:
        save = checkpoint.save
        patch.setattr(checkpoint, "save", lambda *arguments: no_space(patch, save, arguments))
        assert train(run, *flags, steps=320) == 1
    error = capsys.readouterr().err
    assert f"error: {run} cannot be written (No space left on device) after 128 steps: mend that." in error
    assert "The last checkpoint is of step 64; go on: reinstate train --resume" in error and error.count("\n") == 1
    assert load_agent(run)[2] == 64
    assert train(run, *flags, steps=320) == 0
    with monkeypatch.context() as patch:
        fail_at(patch, Collector, "see", 99, None)
        real = reinstate.experiment.trainer.collect
        patch.setattr(reinstate.experiment.trainer, "collect", lambda *a: (shutil.rmtree(run), real(*a))[1])
        assert train(run, *flags, steps=384) == 1
    assert f"error: {run} cannot be written (No such file or directory) after" in capsys.readouterr().err


def no_space(patch, save, arguments):
    """Saves once; then the disk is full."""
    save(*arguments)

    def fails(*_):
        raise OSError(28, os.strerror(28))

    patch.setattr(files, "write", fails)
    patch.setattr(checkpoint, "save", save)


def test_output_that_is_closed_does_not_end_the_training(train, tmp_path, monkeypatch, capsys):
    def closed(*arguments, file=None, **keywords):
        if file is None:
            raise BrokenPipeError(32, "Broken pipe")
        real(*arguments, file=file, **keywords)

    real = print
    monkeypatch.setattr("reinstate.experiment.standard_streams.print", closed, raising=False)
    assert train(tmp_path / "run", "--agent", "none", steps=64) == 0
    assert "the output cannot be written (Broken pipe); training goes on without it" in capsys.readouterr().err
    assert (tmp_path / "run" / "eval" / "final.json").is_file()


def test_two_processes_do_not_train_in_one_folder(train, tmp_path, capsys):
    from reinstate.experiment.run_folder import locked

    run = tmp_path / "run"
    assert train(run, "--agent", "none", steps=64) == 0
    with locked(run):
        assert train(run, "--agent", "none", steps=128) == 2
    assert "another process trains in" in capsys.readouterr().err
