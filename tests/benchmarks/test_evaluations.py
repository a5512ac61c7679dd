"""More figures of finished runs: small runs, and what the columns say."""

import dataclasses

import pytest
import torch

from benchmarks import evaluations, training_runs
from benchmarks.rows import read_rows
from benchmarks.suite import Run
from reinstate.envs.adapt import make_vector
from reinstate.experiment.build import build_agent
from reinstate.experiment.options import RunOptions
from reinstate.experiment.plain_state import split
from reinstate.experiment.trained import load_agent
from reinstate.experiment.training import train
from reinstate.memory.options import MemoryOptions
from tests.benchmarks.conftest import CORRIDOR, TINY

SEEN = {"zero_shot": {"keyword": "length", "episodes": 20, "lengths": [9]}}


def test_policies_are_played_on_lengths_never_seen(results):
    run = Run("GridTMazePassive 4", "default", 1, f"{CORRIDOR} {TINY}", fields=SEEN)
    training_runs.make(run, results / "rows.jsonl", [evaluations.zero_shot])
    (row,) = read_rows(results / "rows.jsonl")
    assert 0 <= row["zero_shot"]["9"]["greedy"] <= 1
    text = evaluations.zero_shot_table([row], [run])
    assert "| GridTMazePassive 4 | 1 | 9 | 20 |" in text
    assert evaluations.zero_shot_table([row], [dataclasses.replace(run, seed=2)]) == ""


def test_only_the_default_of_tasks_that_say_so_is_played(tmp_path, monkeypatch):
    played = []
    monkeypatch.setattr(evaluations, "load_agent", lambda folder: (None, RunOptions(env_kwargs=("length=4",)), 0))

    def evaluated(agent, options, episodes, seed, greedy):
        played.extend(options.env_kwargs)
        return {"success_rate": 0.5, "success_by_cue": {}}

    monkeypatch.setattr(evaluations, "evaluate", evaluated)
    run = Run("a", "default", 3, "", fields=SEEN)
    for other in ({"variant": "oracle"}, {"seed": 4}, {"fields": {}}):
        assert evaluations.zero_shot(tmp_path, dataclasses.replace(run, **other)) == {}
    assert played == []
    assert evaluations.zero_shot(tmp_path, run) == {"zero_shot": {"9": {"episodes": 20, "greedy": 0.5, "by_cue": {}}}}
    assert played == ["length=9"]


def test_only_the_first_episodes_count(tmp_path):
    successes = ("True", "False", "True", "True", "False")
    lines = "".join(f"1,0,1,{word},,0\n" for word in successes)
    (tmp_path / "monitor.csv").write_text(f"step,r,l,success,cue,t\n{lines}")
    run = Run("a", "default", 1, "", fields={"episodes": 4})
    assert evaluations.first_episodes(tmp_path, run) == {"right": 0.75}
    with pytest.raises(AssertionError, match="5 episodes have ended, and 6 count"):
        evaluations.first_episodes(tmp_path, dataclasses.replace(run, fields={"episodes": 6}))


def test_gradients_are_compared_where_the_run_did(results, train_tiny, monkeypatch):
    monkeypatch.setattr(evaluations, "PLAYED_ENVS", 4)
    monkeypatch.setattr(evaluations, "PLAYED_EPISODES", 4)
    flags = f"{CORRIDOR} observation=pixels {TINY} --codec-updates 1 --check-cosine"
    run = Run("short", "gradients compared", 1, flags, fields={"length": 4})
    training_runs.make(run, results / "rows.jsonl", [evaluations.gradients])
    (row,) = read_rows(results / "rows.jsonl")
    share, count = row["old_cues"]
    assert 0 <= share <= 1 and count >= 4 and evaluations.GRADIENT_TAGS[0] in row
    for control in ("", "--agent none"):
        folder = results / f"run {control}"
        train_tiny(["train.py", *f"{CORRIDOR} {TINY} {control} --seed 1".split(), "--run-dir", str(folder)])
        assert evaluations.gradients(folder, run) == {}


def test_columns_are_means_between_their_edges():
    row = {"task": "short", "variant": "gradients compared", "seed": 1, "old_cues": [0.5, 8]}
    row |= {
        key: [[50_000, x], [100_000, x + 0.2], [100_001, 0.9], [4_000_000, 0.7]]
        for x, key in enumerate(evaluations.GRADIENT_TAGS)
    }
    *_, watched = evaluations.gradients_table([row], [Run("short", "gradients compared", 1, "")]).strip().splitlines()
    cells = [cell.strip() for cell in watched.strip("|").split("|")]
    assert cells[2:] == ["0.100", "0.900", "", "", "0.700", "1.100", "0.900", "", "", "0.700", "0.5000 of 8"]


def test_old_cues_are_read_from_codes(monkeypatch):
    """An untrained codec made to read a cue, or not, by what it decodes to."""
    monkeypatch.setattr(evaluations, "PLAYED_ENVS", 8)
    kwargs = {"length": 6, "observation": "pixels"}
    options = RunOptions(
        env="Reinstate/GridTMazePassive-v0",
        env_kwargs=tuple(f"{key}={value}" for key, value in kwargs.items()),
    )
    agent = build_agent(options, make_vector(options.env, 1, kwargs).single_observation_space, 7)
    kept = {}

    def encode(images, real=agent.codec.current.encode):
        codes = real(images)
        kept.update({bytes(code.tolist()): image for code, image in zip(codes, images, strict=True)})
        return codes

    agent.codec.current.encode = encode
    for broken in (False, True):
        agent.codec.decode = lambda codes, version, broken=broken: (
            torch.stack([kept[bytes(c.tolist())] for c in codes]) * (not broken)
        )
        share, count = evaluations.old_cues(agent, options, 3, 8)
        assert count >= 4 and share == (0.0 if broken else 1.0)
    assert evaluations.old_cues(agent, options, 10**6, 8) == (None, 0)


@pytest.mark.slow
def test_watching_gradients_changes_no_parameter(tmp_path):
    """What makes the compared runs the same as those that keep no observation."""
    found = []
    for check in (False, True):
        options = dataclasses.replace(
            RunOptions(
                env="Reinstate/GridTMazePassive-v0",
                env_kwargs=("length=6", "observation=pixels"),
                total_timesteps=2_000,
                num_envs=8,
                eval_every=0,
                eval_episodes=2,
            ),
            memory=MemoryOptions(check_cosine=check),
            run_dir=str(tmp_path / str(check)),
        )
        train(options, [])
        agent, _, _ = load_agent(tmp_path / str(check))
        found.append(split(agent.state_dict())[0])
        cosine = training_runs.tracked(training_runs.metrics(tmp_path / str(check)), evaluations.GRADIENT_TAGS[0])
        assert bool(cosine) == check
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
