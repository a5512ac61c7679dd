"""Checkpoints are whole or not there, hold everything, and are refused where they are damaged."""

import json
import os
import shutil
from importlib.metadata import version

import pytest
import torch
from safetensors.torch import load_file

from reinstate.experiment import checkpoint, files
from reinstate.experiment.checkpoint import FORMAT
from reinstate.experiment.cli import main
from reinstate.experiment.options import RunOptions
from reinstate.experiment.plain_state import join, split
from reinstate.experiment.run_folder import read_options
from reinstate.experiment.trained import load_agent


@pytest.fixture
def run(memoryless_run, tmp_path):
    """A copy of a run whose only checkpoint is of step 128."""
    return shutil.copytree(memoryless_run, tmp_path / "run")


class Value:
    """Something to save: one number, as a tensor and as JSON."""

    def __init__(self, value=0.0):
        self.value = value

    def state_dict(self):
        return {"tensor": torch.tensor(self.value), "number": self.value}

    def load_state_dict(self, state):
        assert float(state["tensor"]) == state["number"]
        self.value = state["number"]


def save(folder, step, value=None, keep=2):
    part = Value(float(step) if value is None else value)
    checkpoint.save(folder, {"part": part.state_dict()}, {}, step, keep)


def loaded(folder, which="latest"):
    part = Value()
    step = checkpoint.load(folder, {"part": part}, which)
    return step, part.value


def entries(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def test_a_checkpoint_is_the_agent(memory_run):
    agent, _, step = load_agent(memory_run)
    assert step == 320
    again, _ = split(agent.state_dict())
    saved = load_file(memory_run / "checkpoints" / "step_000000320" / "agent.safetensors")
    assert saved.keys() == again.keys() and all(torch.equal(saved[k], again[k]) for k in saved)
    assert any("codec." in key for key in saved)  # what decodes is saved, too


def test_a_checkpoint_has_every_part_of_a_run(memory_run):
    manifest = json.loads((memory_run / "checkpoints" / "step_000000320" / "manifest.json").read_text())
    parts = {name.partition(".")[0] for name in manifest["files"]}
    assert parts == {"agent", "learner", "collector", "envs", "metrics", "schedule"}
    assert RunOptions.from_json(manifest["options"]) == read_options(memory_run)
    assert manifest["step"] == 320 and manifest["versions"]["torch"] == version("torch")


def test_states_are_plain_values():
    state = {"a": {"b": torch.ones(2), "c": [1, None, torch.zeros(1)]}, "d": "x", "e": 1.5, "f": True}
    tensors, rest = split(state)
    again = join(tensors, json.loads(json.dumps(rest)))
    assert torch.equal(again["a"]["b"], torch.ones(2)) and torch.equal(again["a"]["c"][2], torch.zeros(1))
    assert again["a"]["c"][:2] == [1, None] and (again["d"], again["e"], again["f"]) == ("x", 1.5, True)
    with pytest.raises(TypeError, match="a/1 is a set, which is not a plain value"):
        split({"a": [0, {1}]})


def test_the_last_ones_are_kept_and_the_best(tmp_path):
    for step in (1, 20, 300, 4000):
        save(tmp_path, step)
        if step == 1:
            checkpoint.point(tmp_path, "best", checkpoint.name_of(1))
    assert entries(tmp_path) == ["best", "latest", "step_000000001", "step_000000300", "step_000004000"]
    assert loaded(tmp_path) == (4000, 4000.0)
    assert loaded(tmp_path, "best") == (1, 1.0)
    assert loaded(tmp_path, "step_000000300") == (300, 300.0)


def test_a_step_is_saved_once_and_replaced_after_going_on_from_an_earlier_one(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 1, value=7.0)
    assert loaded(tmp_path) == (1, 1.0)
    save(tmp_path, 2)
    checkpoint.point(tmp_path, "latest", checkpoint.name_of(1))
    save(tmp_path, 2, value=9.0)
    assert loaded(tmp_path) == (2, 9.0)
    assert entries(tmp_path) == ["latest", "step_000000001", "step_000000002"]


def operations(monkeypatch, fails_at):
    """Lets the `fails_at`-th write, fsync, rename or removal fail; returns the list of those that were done."""
    done = []

    def failing(real, name):
        def operation(*arguments, **keywords):
            done.append(name)
            if len(done) == fails_at:
                raise OSError(28, "No space left on device")
            return real(*arguments, **keywords)

        return operation

    for module, name in (
        (os, "fsync"),
        (os, "replace"),
        (shutil, "rmtree"),
        (files, "write"),
        (files.Path, "mkdir"),
        (files.Path, "unlink"),
    ):
        monkeypatch.setattr(module, name, failing(getattr(module, name), name))
    return done


def test_a_fault_at_every_operation_leaves_the_previous_or_the_new_checkpoint(tmp_path, monkeypatch):
    """Also where a writer that was killed has left something, and where the folder of the step must make room."""

    def begin(name):
        folder = tmp_path / name
        folder.mkdir()
        for step in (1, 2, 3):
            save(folder, step)
        checkpoint.point(folder, "best", checkpoint.name_of(2))
        checkpoint.point(folder, "latest", checkpoint.name_of(2))
        (folder / "checkpoints" / ".step_000000009").mkdir()
        return folder

    folder = begin("whole")
    with monkeypatch.context() as patch:
        done = operations(patch, fails_at=None)
        save(folder, 3, value=30.0)
    assert loaded(folder) == (3, 30.0)
    assert {"write", "fsync", "replace", "rmtree"} <= set(done)
    for fails_at in range(1, len(done) + 1):
        folder = begin(f"fails at {fails_at}")
        with monkeypatch.context() as patch:
            operations(patch, fails_at)
            with pytest.raises(OSError, match="No space"):
                save(folder, 3, value=30.0)
        assert loaded(folder) in [(2, 2.0), (3, 30.0)], done[fails_at - 1]
        assert loaded(folder, "best") == (2, 2.0)
        save(folder, 3, value=30.0)  # there is space again
        save(folder, 4)
        assert loaded(folder) == (4, 4.0)
        assert entries(folder) == ["best", "latest", "step_000000002", "step_000000003", "step_000000004"]


def test_damaged_parts_and_missing_checkpoints(run, capsys):
    assert main(["evaluate", str(run), "--checkpoint", "step_7"]) == 2
    assert "there is: step_000000128" in capsys.readouterr().err
    found = run / "checkpoints" / "step_000000128" / "agent.safetensors"
    data = bytearray(found.read_bytes())
    data[-1] ^= 1
    found.write_bytes(data)
    assert main(["evaluate", str(run)]) == 2
    assert f"{found} is damaged: its checksum" in capsys.readouterr().err


def test_a_checkpoint_that_lacks_something(run):
    """Its checksums are right: another version wrote it."""
    folder = run / "checkpoints" / "step_000000128"
    state = json.loads((folder / "agent.json").read_text())
    state.popitem()
    data = json.dumps(state).encode()
    (folder / "agent.json").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["agent.json"] = checkpoint.digest(data)
    del manifest["sha256"]
    (folder / "manifest.json").write_text(json.dumps(manifest | {"sha256": checkpoint.digest_of_json(manifest)}))
    with pytest.raises(files.UserError, match="step_000000128 does not fit: its part 'agent' cannot be loaded"):
        load_agent(run)


def test_a_config_that_is_not_that_of_the_checkpoint(run, capsys):
    config = json.loads((run / "config.json").read_text())
    config["seed"] = 5
    (run / "config.json").write_text(json.dumps(config))
    assert main(["evaluate", str(run)]) == 2
    error = capsys.readouterr().err
    assert "config.json is not that of the checkpoint: --seed is 5, and the checkpoint was written with 1" in error


def test_checkpoints_of_another_format_or_outside_the_run_are_refused(run, capsys):
    assert main(["evaluate", str(run), "--checkpoint", "../checkpoints/step_000000128"]) == 2
    assert "no checkpoint" in capsys.readouterr().err
    path = run / "checkpoints" / "step_000000128" / "manifest.json"
    path.write_text(path.read_text().replace(f'"format": {FORMAT}', '"format": 99'))
    assert main(["evaluate", str(run)]) == 2
    assert "format 99" in capsys.readouterr().err
