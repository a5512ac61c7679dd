"""`--start-from`: a run begins with the last agent of an earlier one."""

import pytest
import torch
from safetensors.torch import load_file

import reinstate.experiment.trainer
from reinstate.agents.codec_learner import CodecLearner
from reinstate.experiment.plain_state import split
from reinstate.experiment.trained import load_agent


def weights(folder):
    (found,) = (folder / "checkpoints").glob("step_*/agent.safetensors")
    return load_file(found)


@pytest.mark.parametrize("agent", ["memory", "none"])
def test_a_run_can_start_from_another_one(train, tmp_path, capsys, monkeypatch, agent):
    monkeypatch.setattr(reinstate.experiment.trainer, "update", lambda *_: {})  # the agent stays as it began
    monkeypatch.setattr(CodecLearner, "learn", lambda *_: {})
    first, other, then = (tmp_path / name for name in ("first", "other", "then"))
    flags = ["--agent", agent, "--eval-every", "0"]
    assert train(first, *flags, "--seed", "2") == train(other, *flags) == 0
    assert train(then, *flags, "--start-from", str(first), length=9) == 0
    assert f"begins with the agent of {first}\n" in capsys.readouterr().out
    a, b, c = weights(first), weights(other), weights(then)
    assert all(torch.equal(a[k], c[k]) for k in a) and not all(torch.equal(a[k], b[k]) for k in a)
    again, _ = split(load_agent(then)[0].state_dict())  # from its own folder alone
    assert all(torch.equal(c[k], t) for k, t in again.items())


@pytest.mark.parametrize(
    ("flags", "length", "env", "says"),
    [
        (["--agent", "none"], 4, "Reinstate/GridTMazePassive-v0", "--agent is memory there and none here"),
        (["--heads", "2"], 4, "Reinstate/GridTMazePassive-v0", "--heads is 8 there and 2 here"),
        (["--slots", "9"], 4, "Reinstate/GridTMazePassive-v0", "--slots is 32 there and 9 here"),
        ([], None, "CartPole-v1", "GridTMazePassive-v0 has other observations or actions than CartPole-v1"),
    ],
)
def test_a_run_cannot_start_from_an_agent_that_is_made_for_something_else(
    train, memory_run, tmp_path, capsys, flags, length, env, says
):
    then = tmp_path / "then"
    assert train(then, "--start-from", str(memory_run), *flags, env=env, length=length) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --start-from {memory_run}: ") and says in error and error.count("\n") == 1
    assert not then.exists()


def test_a_misspelt_run_to_start_from(train, memory_run, tmp_path, capsys):
    assert train(tmp_path / "then", "--start-from", str(memory_run.with_name("rnu"))) == 2
    assert f"did you mean {memory_run}?" in capsys.readouterr().err
