"""Codes over age, and the time of an update: small sizes, and what the tables say."""

import age
import torch
import update_time
from age import STAGES, Sizes, live, still_read

from experiment.build import build_agent, build_envs
from experiment.checkpoint import save
from experiment.options import RunOptions
from experiment.run_folder import create
from memory.options import MemoryOptions

SMALL = Sizes(chunks=3, ages=(0, 61, 121), seeds=(1,))
LONGER = Sizes(chunks=8, ages=(0, 161, 321), seeds=(1,))


def test_every_way_counts_the_same_codes_and_the_newest_are_read():
    """Three stages of eight chunks, 20 updates each: written 480 updates ago to 20."""
    found = {way: still_read(way, LONGER, 1) for way in ("newest", "8 versions")}
    assert [good for _, good in found["newest"]] == [good for _, good in found["8 versions"]]
    for read, good in found["8 versions"]:
        assert 0 <= read <= good
    assert sum(good for _, good in found["8 versions"]) > 0


def test_re_encoded_codes_belong_to_the_newest_version():
    codec, written, updates = live("re-encoded", SMALL, 1)
    assert updates == len(STAGES) * 3 * MemoryOptions.codec_updates and codec.version > 0
    assert set(written.version) == {codec.version}


def test_rehearsal_asks_for_what_was_written():
    """A number keeps the meaning that it was first written with."""
    codec, _, _ = live("rehearsal", SMALL, 1)
    codec.numbers, codec.meaning = torch.zeros(0, dtype=torch.int64), codec.meaning[:0]
    code = codec.current.encode(torch.zeros(1, 56, 56, 3, dtype=torch.uint8))
    codec.remember(code)
    first = codec.meaning.clone()
    codec.coders[codec.version] = age.RehearsingCodec(codec.autoencoder, codec.ring).current
    codec.remember(code)
    assert torch.equal(codec.meaning, first) and len(codec.numbers) == 1


def test_the_time_of_an_update_at_another_length(tmp_path):
    options = RunOptions(
        env=update_time.ENV, env_kwargs=("length=4",), num_envs=4, memory=MemoryOptions(slots=4), run_dir=str(tmp_path)
    )
    envs = build_envs(options, 1)
    agent = build_agent(options, envs.single_observation_space, 7)
    create(tmp_path / "run", options, [])
    save(tmp_path / "run", agent, options, 0, {}, best=False)
    found = update_time.go_on(tmp_path / "run", length=6, updates=2)
    assert found["seconds"] > 0 and found["mean_length"] > 6
    rows = [
        {"observation": "symbolic", "length": 100, "mean_length": 104.0, "seconds": 0.2, "bytes": 3e6},
        {"observation": "symbolic", "length": 1_000, "mean_length": 1_004.0, "seconds": 0.25, "bytes": 4e6},
    ]
    assert "| symbolic | 1,000 | 1,004 | 0.250 | 1.25 | 4 |" in update_time.table(rows)
