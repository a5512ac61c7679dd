"""Where recalculation breaks: with a codec that loses nothing, every way that sends gradients is the oracle."""

import breaks
import pytest
import torch
from breaks import images, learn


class Lossless:
    """Codes are the images."""

    version, code_bytes = 0, 56 * 56 * 3
    current = property(lambda self: self)

    def encode(self, frames):
        return frames.flatten(1)

    def decode(self, codes, version):
        return codes.view(-1, 56, 56, 3)

    def fidelity(self, frames, codes):
        return torch.ones(len(frames))

    def readable(self, version):
        return torch.ones_like(version, dtype=torch.bool)


@pytest.fixture(scope="module")
def scenes():
    return images(0.0, 180)


def test_ways_without_loss_are_the_oracle(scenes, monkeypatch):
    monkeypatch.setattr(breaks, "TESTED", 36)
    monkeypatch.setattr(breaks, "LAG", 1)
    told = {}
    for way in ("oracle", "direct", "direct, ungated", "none"):
        told[way], cosine = learn(way, Lossless(), *scenes, batch=12, seed=1)
        assert way in ("oracle", "none") or cosine == pytest.approx(1.0, abs=1e-4)
    assert told["oracle"] == told["direct"] == told["direct, ungated"]
    assert learn("refresh", Lossless(), *scenes, batch=12, seed=1)[1] == pytest.approx(1.0, abs=1e-4)


def test_a_row_of_the_table(monkeypatch):
    monkeypatch.setattr(breaks, "TESTED", 36)
    (row,) = breaks.main(breaks.Breaks(conditions=(5,), scenes=360, codec_updates=20, seeds=1))
    assert row[:2] == ["49", "0"] and len(row) == 3 + len(breaks.WAYS)
    assert all(0 <= float(cell.split()[0]) <= 1 for cell in row[2:])


def test_noise_changes_the_pictures_and_not_the_cues(scenes):
    noisy, cue = images(0.05, 180)
    assert torch.equal(cue, scenes[1]) and 0.02 < float((noisy != scenes[0]).any(-1).float().mean()) < 0.08
