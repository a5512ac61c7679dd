"""docs/metrics.md has the tags that runs log: each is there, none is missing, and each is logged when the page says."""

import re
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from reinstate.experiment.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
ROWS = re.findall(r"^\| `([a-z_]+/[a-z_]+)` \| ([a-z]+) \|", PAGE, re.MULTILINE)
CONDITION = dict(ROWS)  # tag -> when it is logged

TINY = "--eval-every 0 --eval-episodes 2 --rollout-steps 16 "
# Each run, and the conditions that hold for it: it logs everything with these conditions, and nothing else.
RUNS = {
    "a control, where the environment does not report success": (
        "--env CartPole-v1 --agent none --num-envs 2 --total-timesteps 256",
        {"always", "episode"},
    ),
    "vectors, synthetic returns, compared with the oracle": (
        "--env Reinstate/MemoryChain-v0 --env-kwargs length=20 --num-envs 8 --total-timesteps 2048 "
        "--credit synthetic --replay-size 8 --replay-batch 4 --check-cosine",
        {"always", "episode", "success", "memory", "older", "replay", "synthetic", "cosine"},
    ),
    "images, before the codec reads": (
        "--env Reinstate/KeyToDoor-v0 --env-kwargs delay=5 --num-envs 4 --total-timesteps 256 "
        "--credit bootstrap --codec-updates 1",
        {"always", "episode", "success", "memory", "codec", "images"},
    ),
}


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """The tags of each run."""
    found = {}
    for name, (flags, _) in RUNS.items():
        run = str(tmp_path_factory.mktemp("run") / "run")
        assert main(["train", *(TINY + flags).split(), "--run-dir", run]) == 0
        events = EventAccumulator(run)
        events.Reload()
        found[name] = {*events.Tags()["scalars"], *events.Tags()["images"]}
    return found


@pytest.mark.parametrize("name", RUNS)
def test_a_run_logs_what_the_page_says(logged, name):
    conditions = RUNS[name][1]
    assert logged[name] == {tag for tag, condition in CONDITION.items() if condition in conditions}


def test_every_condition_of_the_page_is_tried():
    assert set(CONDITION.values()) == set().union(*(conditions for _, conditions in RUNS.values()))


def test_no_tag_is_there_twice():
    assert len(ROWS) == len(CONDITION)


def test_every_line_that_begins_with_a_tag_is_read():
    """Tags in lines that this test cannot parse would never be checked."""
    assert len(re.findall(r"^\| `[^`]*/", PAGE, re.MULTILINE)) == len(ROWS)
