"""Codes over age, and the time of an update: small sizes, and what the tables say."""

import age
import torch
import update_time
from age import STAGES, Sizes, live, still_read

from reinstate.experiment.build import build_agent, build_envs
from reinstate.experiment.checkpoint import save
from reinstate.experiment.options import RunOptions
from reinstate.experiment.run_folder import create
from reinstate.memory.options import MemoryOptions

SMALL = Sizes(chunks=3, seeds=(1,))
LONGER = Sizes(chunks=8, ages=(0, 9, 17), seeds=(1,))


def test_a_code_is_read_while_its_version_is_kept():
    """Three stages of eight chunks; of 32 versions none is lost."""
    found = {way: still_read(way, LONGER, 1) for way in ("newest", "32 versions")}
    assert [good for _, good in found["newest"]] == [good for _, good in found["32 versions"]]
    assert all(read == good for read, good in found["32 versions"]) and sum(g for _, g in found["newest"]) > 0


def test_re_encoded_codes_belong_to_the_newest_version():
    codec, written = live("re-encoded", SMALL, 1)
    assert len(written.codes) == len(STAGES) * 3 and codec.version > 0
    assert set(written.version) == {codec.version}


def test_rehearsal_keeps_the_first_meaning_and_learns_it():
    codec, _ = live("rehearsal", SMALL, 1)
    codec.numbers, codec.meaning = torch.zeros(0, dtype=torch.int64), codec.meaning[:0]
    code = codec.current.encode(torch.zeros(1, 56, 56, 3, dtype=torch.uint8))
    codec.remember(code)
    assert isinstance(codec, age.RehearsingCodec) and len(codec.numbers) == 1
    codec.current.net.decoder[0][-1].bias += 5.0  # everything is white now
    codec.remember(code)
    first = codec.meaning.clone()
    assert len(codec.numbers) == 1 and float(first.mean()) < 0.9
    g = torch.Generator().manual_seed(0)
    near = codec.learn(1, g)
    codec.meaning = 1.0 - first
    assert codec.learn(1, g) > near + 0.1


def test_the_time_of_an_update_at_another_length(tmp_path, monkeypatch):
    options = RunOptions(
        env=update_time.ENV, env_kwargs=("length=4",), num_envs=4, memory=MemoryOptions(slots=4), run_dir=str(tmp_path)
    )
    envs = build_envs(options, 1)
    agent = build_agent(options, envs.single_observation_space, 7)
    create(tmp_path / "run", options, [])
    save(tmp_path / "run", agent, options, 0, {}, best=False)
    learnt, update = [], update_time.update

    def seldom(agent, chunk, learner, *rest):
        """Every second time there is nothing to learn from."""
        learnt.append((learner.ring.size >= 4 and len(learnt) % 2 == 0) and bool(update(agent, chunk, learner, *rest)))
        return {"train/entropy": 1.0} if learnt[-1] else {}

    monkeypatch.setattr(update_time, "update", seldom)
    found = update_time.go_on(tmp_path / "run", length=6, updates=2)
    assert sum(learnt) == 2
    assert found["seconds"] > 0 and found["mean_length"] > 6
    assert found["decisions"] > 0 and found["episodes_kept"] >= 4
    row = {"observation": "symbolic", "decisions": 2048.0, "episodes_kept": 256}
    rows = [
        row | {"length": 100, "mean_length": 104.0, "seconds": 0.2, "bytes": 3e6},
        row | {"length": 1_000, "mean_length": 1_004.0, "seconds": 0.25, "bytes": 4e6},
    ]
    assert "| symbolic | 1,000 | 1,004 | 2,048 | 256 | 0.250 | 1.25 | 4 |" in update_time.table(rows)
