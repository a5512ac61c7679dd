"""Two runs compared, whatever their times: all that their last checkpoints hold, and all lines of their logs."""

import csv
import json
import signal
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from reinstate.agents.collector import Collector
from reinstate.experiment import checkpoint
from tests.states import assert_same_state

TIMES = ("time/fps", "time/checkpoints", "t")


def assert_same_runs(a: Path, b: Path) -> None:
    """Raises AssertionError where two runs differ in anything but the time that they took."""
    assert state_of(a).keys() == state_of(b).keys()
    for part, state in state_of(a).items():
        assert_same_state(state, state_of(b)[part])
    assert lines_of(a) == lines_of(b)
    assert episodes_of(a) == episodes_of(b)
    assert scalars_of(a) == scalars_of(b)
    assert (a / "eval" / "final.json").read_text() == (b / "eval" / "final.json").read_text()


def state_of(run: Path) -> dict:
    folder = checkpoint.find(run)
    manifest = checkpoint.read_manifest(folder)
    parts = sorted({name.partition(".")[0] for name in manifest["files"]})
    state = checkpoint.read_parts(folder, manifest, parts)
    for name in ("seconds", "files"):
        del state["metrics"][name]
    return state


def lines_of(run: Path) -> list[dict]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def episodes_of(run: Path) -> list[dict]:
    with (run / "monitor.csv").open() as file:
        return [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def scalars_of(run: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag not in TIMES]
    return {tag: sorted((e.step, e.value) for e in events.Scalars(tag)) for tag in tags}


def files_of(run: Path) -> set[str]:
    """Names of all files and folders; TensorBoard's have numbers of their own."""
    paths = [path.relative_to(run).as_posix() for path in run.rglob("*")]
    return {"events" if path.startswith("events.") else path for path in paths}


def send(monkeypatch, number: signal.Signals, at: int) -> None:
    """The signal comes during the `at`-th step of the environments that is taken from now on."""
    real, calls = Collector.step, []

    def step(self, envs):
        calls.append(1)
        if len(calls) == at:
            signal.raise_signal(number)
        return real(self, envs)

    monkeypatch.setattr(Collector, "step", step)
