"""Whatever ends a training run early, what was learnt until then is saved."""

import pytest

import reinstate.experiment.trainer
import reinstate.experiment.training
from reinstate.experiment.trained import load_agent


def fail_at(monkeypatch, module, name, call, error):
    """The `call`-th call of a function raises `error`."""
    real, calls = getattr(module, name), []

    def failing(*arguments):
        calls.append(1)
        if len(calls) == call:
            raise error
        return real(*arguments)

    monkeypatch.setattr(module, name, failing)


def test_ctrl_c_saves_and_exits_130(train, tmp_path, monkeypatch, capsys):
    fail_at(monkeypatch, reinstate.experiment.trainer, "collect", 3, KeyboardInterrupt())
    assert train(tmp_path / "run", "--agent", "none", steps=320) == 130
    assert load_agent(tmp_path / "run")[2] == 128
    assert "interrupted at 128 steps; saving" in capsys.readouterr().out


def test_ctrl_c_in_the_last_evaluation(train, tmp_path, monkeypatch):
    fail_at(monkeypatch, reinstate.experiment.training, "evaluate", 1, KeyboardInterrupt())
    assert train(tmp_path / "run", "--agent", "none", "--eval-every", "0") == 130
    assert load_agent(tmp_path / "run")[2] == 128


def test_an_environment_that_breaks_down(train, tmp_path, monkeypatch):
    fail_at(monkeypatch, reinstate.experiment.trainer, "collect", 2, OSError("no more"))
    with pytest.raises(OSError, match="no more"):
        train(tmp_path / "run", "--agent", "none")
    assert load_agent(tmp_path / "run")[2] == 64


def test_a_gradient_that_is_not_finite(train, tmp_path, monkeypatch, capsys):
    error = FloatingPointError("the gradient is not finite")
    fail_at(monkeypatch, reinstate.experiment.trainer, "update", 1, error)
    assert train(tmp_path / "run", "--agent", "none") == 1
    assert "error: the gradient is not finite" in capsys.readouterr().err
    assert load_agent(tmp_path / "run")[2] == 64
