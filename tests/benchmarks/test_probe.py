"""The linear probe, and how many labelled scenes are needed."""

import pytest
import torch

from benchmarks.measures import first_scenes, probe
from reinstate.experiment.build import untrained
from reinstate.experiment.options import RunOptions
from reinstate.memory.options import MemoryOptions


def test_a_linear_probe_scores_on_episodes_that_it_was_not_fitted_on():
    g = torch.Generator().manual_seed(0)
    x, label = torch.randn(2000, 16, generator=g), torch.randint(0, 2, (2000,), generator=g)
    assert probe.linear_probe(x, label) == pytest.approx(0.5, abs=0.06)
    x[:, 3] += 6.0 * label
    assert probe.linear_probe(x, label) > 0.98


def test_first_views_show_the_cue(monkeypatch):
    monkeypatch.setattr(probe, "SEEDS", 1)
    monkeypatch.setattr(probe, "EPISODES", 2000)
    (crowded,) = probe.rows({"task": "crowded", "width": 8})
    (plain,) = probe.rows({"task": "plain", "width": 8})
    assert crowded["accuracy"] < 0.65 and plain["accuracy"] > 0.95
    assert probe.table([crowded | {"accuracy": 0.5}]).splitlines()[2] == "| crowded | 8 | 0.50 |"
    for width in probe.WIDTHS:  # fits a slot
        untrained(RunOptions(memory=MemoryOptions(embedding_width=width)))


@pytest.mark.parametrize("observation", first_scenes.OBSERVATIONS)
def test_360_scenes_do_not_suffice(monkeypatch, observation):
    for name, value in (("SEEDS", 1), ("SCENES", 360), ("FRESH", 200)):
        monkeypatch.setattr(first_scenes, name, value)
    first_scenes.labelled.cache_clear()
    (row,) = first_scenes.rows({"observation": observation, "std": 0.01})
    assert row["scenes"] is None
    rows = [row, row | {"seed": 2, "scenes": 12_240}]
    assert first_scenes.table(rows).splitlines()[2] == f"| {observation} | 0.01 | - | 12,240 |"
    monkeypatch.setattr(first_scenes, "TOLD", 0.0)
    assert next(first_scenes.rows({"observation": observation, "std": 0.01}))["scenes"] == 360
    first_scenes.labelled.cache_clear()
