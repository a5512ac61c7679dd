"""The time of an update at another length, and what the table says."""

import pytest

from benchmarks.measures import update_time
from reinstate.experiment.build import build_agent, build_envs
from reinstate.experiment.checkpoint import save
from reinstate.experiment.options import RunOptions
from reinstate.experiment.run_folder import create
from reinstate.memory.options import MemoryOptions


def test_the_time_of_an_update_at_another_length(tmp_path, monkeypatch):
    options = RunOptions(
        env=update_time.ENV, env_kwargs=("length=4",), num_envs=4, memory=MemoryOptions(slots=4), run_dir=str(tmp_path)
    )
    envs = build_envs(options, 1)
    agent = build_agent(options, envs.single_observation_space, 7)
    create(tmp_path / "run", options, [])
    save(tmp_path / "run", agent, options, 0, {}, best=False)
    learnt, update = [], update_time.update

    def seldom(agent, chunk, learner, *rest):
        """Every second time there is nothing to learn from."""
        learnt.append((learner.ring.size >= 4 and len(learnt) % 2 == 0) and bool(update(agent, chunk, learner, *rest)))
        return {"train/entropy": 1.0} if learnt[-1] else {}

    monkeypatch.setattr(update_time, "update", seldom)
    found = update_time.go_on(str(tmp_path / "run"), length=6, updates=2)
    assert sum(learnt) == 2
    assert found["seconds"] > 0 and found["mean_length"] > 6
    assert found["decisions"] > 0 and found["episodes_kept"] >= 4
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
