"""Learning takes minutes: `make slow`. More seeds, and controls: the suites of benchmarks/."""

import json
import shlex

import pytest

from reinstate.experiment.cli import main

SOLVE = ["--stop-at-success", "0.98"]
PLAIN = "--env Reinstate/GridTMazePassive-v0 --total-timesteps 3000000".split()


def flags_of(suite, task, variant):
    """The options of a run of benchmarks/suites/, as its table has it."""
    from benchmarks.suite import FOLDER, load

    found = {(run.task, run.variant): run.flags for run in load(FOLDER / f"{suite}.toml").runs}
    return shlex.split(found[task, variant])


def greedy_success(run, *flags):
    assert main(["train", "--eval-every", "0", "--run-dir", str(run), *flags]) == 0
    return json.loads((run / "eval" / "final.json").read_text())["greedy"]["success_rate"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_cue_is_remembered_with_the_memory_and_not_without(tmp_path):
    assert greedy_success(tmp_path / "memory", *PLAIN, *SOLVE) >= 0.95
    assert greedy_success(tmp_path / "none", *PLAIN, "--agent", "none") <= 0.65


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_crowded_room_is_learnt_with_recalculation_and_not_without(tmp_path):
    """Rollouts are shorter than the delay."""
    direct, none = (flags_of("recalculation", "crowded", variant) for variant in ("direct", "none"))
    assert greedy_success(tmp_path / "direct", *direct) >= 0.95
    assert greedy_success(tmp_path / "none", *none) <= 0.65


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_thousand_steps_are_crossed(tmp_path):
    flags = "--env Reinstate/GridTMazePassive-v0 --env-kwargs length=1000 --total-timesteps 20000000".split()
    assert greedy_success(tmp_path / "run", *flags, *SOLVE) >= 0.98


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_agent_goes_to_look_at_what_it_will_need(tmp_path):
    flags = "--env Reinstate/GridTMazeActive-v0 --env-kwargs length=100 --total-timesteps 5000000".split()
    assert greedy_success(tmp_path / "run", *flags, *SOLVE) >= 0.95
    assert greedy_success(tmp_path / "blind", *flags, "--agent", "none") <= 0.65


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_key_is_fetched_where_it_opens_the_door_later_and_left_where_it_earns_nothing(tmp_path):
    real = flags_of("delay", "KeyToDoor without apples 90", "default")
    yoked = flags_of("delay", "KeyToDoor yoked and without apples 90", "default")
    blind = flags_of("delay", "KeyToDoor without apples 90", "no memory")
    assert greedy_success(tmp_path / "real", *real) >= 0.8
    assert greedy_success(tmp_path / "yoked", *yoked) <= 0.4
    assert greedy_success(tmp_path / "blind", *blind) <= 0.4
