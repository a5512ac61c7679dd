"""Learning from pixels: a small run of the script, and what its columns say."""

import dataclasses

import learn
import pytest
import runs
import torch
from ladder import WITHOUT, Rung

from reinstate.envs.adapt import make_vector
from reinstate.experiment.build import build_agent
from reinstate.experiment.options import RunOptions
from reinstate.experiment.training import train
from reinstate.memory.options import MemoryOptions

SHORT = Rung("GridTMazePassive", 6, "length", 64, 1, controls=("no memory",), kind="in pixels")
FOUND = "--stop-at-success 0.98 --eval-every 0"


def test_the_script_trains_and_looks(tmp_path, monkeypatch):
    for name, value in (("HERE", tmp_path), ("RESULTS", tmp_path / "learn.jsonl"), ("RUNGS", [SHORT])):
        monkeypatch.setattr(learn, name, value)
    monkeypatch.setattr(learn, "write_page", lambda *arguments: None)
    monkeypatch.setattr(runs, "EPISODES", 4)
    monkeypatch.setattr(learn, "PLAYED", 4)
    monkeypatch.setattr(learn, "EPISODES", 4)
    tiny = " --num-envs 2 --eval-episodes 2 --chunk-steps 16"
    monkeypatch.setattr(Rung, "flags", lambda self, v, flags=Rung.flags: flags(self, v).replace(FOUND, FOUND + tiny))
    learn.main(learn.Learn(jobs=1, tasks=(SHORT.task,)))
    rows = {(r["variant"], r["seed"]): r for r in runs.read_rows(tmp_path / "learn.jsonl")}
    assert set(rows) == {("default", 1), (learn.COMPARED, 1), *(("no memory", seed) for seed in (1, 2, 3))}
    share, count = rows[learn.COMPARED, 1]["old_cues"]
    assert 0 <= share <= 1 and count >= 4 and rows[learn.COMPARED, 1]["command"].endswith("--check-cosine --seed 1")
    assert "old_cues" not in rows["no memory", 1] and "old_cues" not in rows["default", 1]


def test_columns_are_means_between_their_edges(monkeypatch):
    monkeypatch.setattr(learn, "RUNGS", [SHORT])
    row = {"task": SHORT.task, "variant": learn.COMPARED, "seed": 1, "greedy": 1.0, "sampled": 0.5}
    row |= {"steps": 5_000_000, "episodes": 7, "minutes": 1.0, "old_cues": [0.5, 8]}
    row |= {
        key: [[50_000, x], [100_000, x + 0.2], [100_001, 0.9], [4_000_000, 0.7]] for x, key in enumerate(learn.FIGURES)
    }
    *_, watched = learn.table([row]).strip().splitlines()
    cells = [cell.strip() for cell in watched.strip("|").split("|")]
    assert cells[2:] == ["0.100", "0.900", "", "", "0.700", "1.100", "0.900", "", "", "0.700", "0.5000 of 8"]


def test_only_memories_that_gradients_cross_are_watched():
    every = [run for rung in learn.RUNGS for run in learn.runs(rung)]
    assert {run.variant for run in every if "--check-cosine" in run.flags} == {learn.COMPARED}
    assert {run.variant for run in every} == {"default", learn.COMPARED, *WITHOUT}
    first = [run for run in learn.runs(learn.RUNGS[1]) if run.seed == 1]
    plain, compared = (next(r for r in first if r.variant == v) for v in ("default", learn.COMPARED))
    assert compared.flags == f"{plain.flags} --check-cosine"


@pytest.mark.parametrize("broken", [False, True])
def test_old_cues_are_told_from_codes(broken):
    """An untrained codec made to read a cue, or not, by what it decodes to."""
    options = RunOptions(
        env="Reinstate/GridTMazePassive-v0",
        env_kwargs=("length=6", "observation=pixels"),
        memory=MemoryOptions(check_cosine=True),
    )
    envs = make_vector(options.env, 1, {"length": 6, "observation": "pixels"})
    agent = build_agent(options, envs.single_observation_space, 7)
    kept = {}

    def encode(images, real=agent.codec.current.encode):
        codes = real(images)
        kept.update({bytes(code.tolist()): image for code, image in zip(codes, images, strict=True)})
        return codes

    agent.codec.current.encode = encode
    agent.codec.decode = lambda codes, version: torch.stack([kept[bytes(c.tolist())] for c in codes]) * (not broken)
    share, count = learn.old_cues(agent, options, 3, 8)
    assert count >= 4 and share == (0.0 if broken else 1.0)
    assert learn.old_cues(agent, options, 10**6, 8) == (None, 0)


def test_watching_gradients_changes_no_parameter(tmp_path):
    """What makes the script's runs the same as those that keep no observation."""
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
        agent, _, _ = learn.load_agent(tmp_path / str(check))
        found.append(agent.state_dict())
        assert bool(learn.tracked(learn.metrics(tmp_path / str(check)), learn.FIGURES[0])) == check
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
