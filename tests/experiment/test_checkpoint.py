"""Checkpoints are whole or not there, are the agent, and are refused where they are damaged."""

import json
import shutil
from importlib.metadata import version

import pytest
import torch
from safetensors.torch import load_file

from reinstate.experiment import checkpoint
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


def save(run, agent, step):
    return checkpoint.save(run, {"agent": agent.state_dict()}, read_options(run), step, {}, best=True)


def test_a_checkpoint_is_the_agent(memory_run):
    agent, _, step = load_agent(memory_run)
    assert step == 320
    again, _ = split({"agent": agent.state_dict()})
    saved = load_file(memory_run / "checkpoints" / "step_000000320" / "weights.safetensors")
    assert saved.keys() == again.keys() and all(torch.equal(saved[k], again[k]) for k in saved)
    assert any(".codec." in key or "/codec" in key for key in saved)  # what decodes is saved, too


def test_states_are_plain_values():
    state = {"a": {"b": torch.ones(2), "c": [1, None, torch.zeros(1)]}, "d": "x", "e": 1.5, "f": True}
    tensors, rest = split(state)
    again = join(tensors, json.loads(json.dumps(rest)))
    assert torch.equal(again["a"]["b"], torch.ones(2)) and torch.equal(again["a"]["c"][2], torch.zeros(1))
    assert again["a"]["c"][:2] == [1, None] and (again["d"], again["e"], again["f"]) == ("x", 1.5, True)
    with pytest.raises(TypeError, match="a/1 is a set, which is not a plain value"):
        split({"a": [0, {1}]})


def test_damaged_weights_and_missing_checkpoints(run, capsys):
    assert main(["evaluate", str(run), "--checkpoint", "step_7"]) == 2
    assert "there is: step_000000128" in capsys.readouterr().err
    (found,) = (run / "checkpoints").glob("step_*/weights.safetensors")
    data = bytearray(found.read_bytes())
    data[-1] ^= 1
    found.write_bytes(data)
    assert main(["evaluate", str(run)]) == 2
    assert "checksum" in capsys.readouterr().err


def test_a_checkpoint_that_lacks_something(run, capsys):
    path = run / "checkpoints" / "step_000000128" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["state"]["agent"].popitem()
    path.write_text(json.dumps(manifest))
    assert main(["evaluate", str(run)]) == 2
    error = capsys.readouterr().err
    assert "step_000000128 cannot be read: " in error and error.count("\n") == 1


def test_a_failing_writer_leaves_the_last_checkpoint(run, monkeypatch):
    agent, _, _ = load_agent(run)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint, "write_json", fail)
    with pytest.raises(OSError, match="disk full"):
        save(run, agent, 999)
    assert load_agent(run)[2] == 128
    assert (run / "checkpoints" / "best").read_text() == "step_000000128\n"


def test_saving_a_step_again_replaces_it_whole_or_not_at_all(run, monkeypatch):
    agent, _, _ = load_agent(run)
    monkeypatch.setattr(checkpoint, "write_json", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save(run, agent, 128)
    assert load_agent(run)[2] == 128
    monkeypatch.undo()
    with torch.no_grad():
        next(agent.parameters()).fill_(7.0)
    save(run, agent, 128)
    again, _, _ = load_agent(run)
    assert (next(again.parameters()) == 7.0).all()
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["best", "latest", "step_000000128"]


def test_a_rename_that_fails_brings_the_earlier_checkpoint_back(run, monkeypatch):
    (agent, _, _), rename = load_agent(run), checkpoint.os.replace

    def fail(source, target):
        if str(source).endswith(".partial") and target.name.startswith("step_"):
            raise OSError("disk full")
        rename(source, target)

    monkeypatch.setattr(checkpoint.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save(run, agent, 128)
    assert load_agent(run)[2] == 128


def test_a_manifest_names_all_that_made_the_weights(memory_run):
    manifest = json.loads((memory_run / "checkpoints" / "step_000000320" / "manifest.json").read_text())
    assert RunOptions.from_json(manifest["config"]) == read_options(memory_run)
    assert manifest["step"] == 320 and manifest["evaluation"]["greedy"]["episodes"] == 4
    assert manifest["versions"]["torch"] == version("torch")


def test_checkpoints_of_another_format_or_outside_the_run_are_refused(run, capsys):
    assert main(["evaluate", str(run), "--checkpoint", "../checkpoints/step_000000128"]) == 2
    assert "no checkpoint" in capsys.readouterr().err
    path = run / "checkpoints" / "step_000000128" / "manifest.json"
    path.write_text(path.read_text().replace(f'"format": {FORMAT}', '"format": 99'))
    assert main(["evaluate", str(run)]) == 2
    assert "format 99" in capsys.readouterr().err
