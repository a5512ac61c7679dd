"""A run that was stopped goes on as if nothing had happened, to the bit."""

import signal

import pytest

from reinstate.experiment.trained import load_agent
from tests.experiment.runs import assert_same_runs, files_of, send

MAZE, VECTOR = "Reinstate/GridTMazePassive-v0", "Reinstate/TMazePassive-v0"
REPLAY = ["--replay-size", "16", "--replay-batch", "4"]
CASES = {
    "memory, symbols": (["--slots", "8", *REPLAY], MAZE, 4),
    "memory, vector, synthetic": (["--credit", "synthetic", *REPLAY], VECTOR, 4),
    "memory, vector, bootstrap": (["--credit", "bootstrap"], VECTOR, 4),
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
LATER = ["--eval-every", "200", "--save-every", "100"]


@pytest.mark.parametrize("case", CASES)
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
