"""The time of an update at another length, and what the table says."""

import pytest

from benchmarks.measures import update_time
from tests.benchmarks.conftest import CORRIDOR, TINY


def test_the_time_of_an_update_at_another_length(tmp_path, train_tiny, monkeypatch):
    train_tiny(["train.py", *f"{CORRIDOR} {TINY} --seed 1".split(), "--run-dir", str(tmp_path / "run")])
    learnt, update = [], update_time.update

    def seldom(agent, rollout, learner, *rest):
        """Every second time there is nothing to learn from."""
        (replay,) = learner.extras.terms
        some = replay.buffer.size >= 2 and len(learnt) % 2 == 0
        learnt.append(some and bool(update(agent, rollout, learner, *rest)))
        return {"train/entropy": 1.0} if learnt[-1] else {}

    monkeypatch.setattr(update_time, "update", seldom)
    found = update_time.go_on(str(tmp_path / "run"), length=6, updates=2)
    assert sum(learnt) == 2
    assert found["seconds"] > 0 and found["mean_length"] > 6
    assert found["decisions"] > 0 and found["episodes_kept"] >= 2
    row = {"observation": "symbolic", "decisions": 2048.0, "episodes_kept": 256}
    rows = [
        row | {"length": 100, "mean_length": 104.0, "seconds": 0.2, "bytes": 3e6},
        row | {"length": 1_000, "mean_length": 1_004.0, "seconds": 0.25, "bytes": 4e6},
    ]
    assert "| symbolic | 1,000 | 1,004 | 2,048 | 256 | 0.250 | 1.25 | 4 |" in update_time.table(rows)


@pytest.mark.slow
def test_a_kind_of_observation_is_trained_once_and_measured_at_every_length(monkeypatch):
    for name, value in (("LENGTHS", (100, 120)), ("UPDATES", 1), ("TIMESTEPS", 150_000)):
        monkeypatch.setattr(update_time, name, value)
    rows = list(update_time.rows({"observation": "symbolic"}))
    assert [(r["observation"], r["length"]) for r in rows] == [("symbolic", 100), ("symbolic", 120)]
    assert all(r["seconds"] > 0 and r["bytes"] > 0 for r in rows)
