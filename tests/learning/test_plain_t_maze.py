"""Learning takes minutes: `make slow`."""

import json

import pytest

from experiment.cli import main

PLAIN = "--env Reinstate/GridTMazePassive-v0 --env-kwargs length=100 --eval-every 0".split()


def greedy_success(run, *flags):
    assert main(["train", *PLAIN, "--run-dir", str(run), *flags]) == 0
    return json.loads((run / "eval" / "final.json").read_text())["greedy"]["success_rate"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_cue_is_remembered_with_the_memory_and_not_without(tmp_path):
    """Twice the steps that the memory agent took (2.2e6) are too few for an agent without memory."""
    annealed = ["--total-timesteps", "6000000", "--stop-at-success", "0.98"]
    assert greedy_success(tmp_path / "memory", *annealed) >= 0.95
    assert greedy_success(tmp_path / "none", "--agent", "none", "--total-timesteps", "4400000") <= 0.65
