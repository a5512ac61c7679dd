"""Codec retention: small sizes."""

import pytest
import torch

from benchmarks.measures import codec_retention as retention
from benchmarks.measures.codec_retention import STAGES, RehearsingAutoencoder, live, still_read


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(retention, "ROLLOUTS", 3)


@pytest.mark.slow
def test_a_code_is_read_while_its_version_is_kept(monkeypatch):
    """Three stages of eight rollouts; of 32 versions none is lost."""
    monkeypatch.setattr(retention, "ROLLOUTS", 8)
    monkeypatch.setattr(retention, "AGES", (0, 9, 17))
    found = {way: still_read(way, 1) for way in ("newest", "32 versions")}
    assert [good for _, good in found["newest"]] == [good for _, good in found["32 versions"]]
    assert all(read == good for read, good in found["32 versions"]) and sum(g for _, g in found["newest"]) > 0


def test_re_encoded_codes_belong_to_the_newest_version():
    codec, written = live("re-encoded", 1)
    assert len(written) == len(STAGES) * 3 and codec.version > 0
    assert {w.version for w in written} == {codec.version}


def test_rehearsal_keeps_the_first_meaning_and_learns_it():
    net = RehearsingAutoencoder((56, 56, 3), 294)
    code = net.freeze().encode(torch.zeros(1, 56, 56, 3, dtype=torch.uint8))
    net.remember(net.freeze(), code)
    assert len(net.numbers) == 1
    with torch.no_grad():
        net.decoder[0][-1].bias += 5.0  # everything is white now
    net.remember(net.freeze(), code)
    first = net.meaning.clone()
    assert len(net.numbers) == 1 and float(first.mean()) < 0.9
    batch = torch.zeros(4, net.grid.size, dtype=torch.uint8)
    away = net.loss(batch)
    net.meaning = net.freeze()._patches(net.numbers).float() / 255.0  # what it decodes to today
    assert float(away.detach()) > float(net.loss(batch).detach()) + 0.1
    net.meaning = first
    away.backward()
    assert float(net.decoder[0][-1].bias.grad.sum()) > 0  # darker again


def test_rehearsal_remembers_what_was_read_when_it_was_written(monkeypatch):
    monkeypatch.setattr(retention, "STAGES", STAGES[:1])
    monkeypatch.setattr(retention, "faithful", lambda frames, *_: torch.arange(len(frames)) % 2 == 0)
    codec, written = live("rehearsal", 1)
    assert isinstance(codec.autoencoder, RehearsingAutoencoder)
    numbers = {n for w in written for n in codec.coders[0]._numbers(w.codes[w.good]).tolist()}
    assert numbers and set(codec.autoencoder.numbers.tolist()) == numbers


def test_seeds_are_counted_together(monkeypatch):
    monkeypatch.setattr(retention, "still_read", lambda way, seed: [(0, 0), (seed, 4), (1, 2), (3, 1000)])
    (row,) = retention.rows({"way": "newest"})
    assert row == {"way": "newest", "read": [None, 0.5, 0.5, 0.003], "of": [0, 12, 6, 3000]}
    assert retention.table([row]).splitlines()[2] == "| newest |  | 0.500 of 12 | 0.500 of 6 | 0.003 of 3,000 |"
