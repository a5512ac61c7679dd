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


def test_a_condition_of_the_table(monkeypatch, tmp_path):
    monkeypatch.setattr(breaks, "TESTED", 36)
    monkeypatch.setattr(breaks, "RESULTS", tmp_path / "breaks.jsonl")
    pages = []
    monkeypatch.setattr(breaks, "write_page", lambda *arguments: pages.append(arguments[-1]))
    for _ in range(2):  # the second time in place of the first
        breaks.main(breaks.Breaks(conditions=(5,), scenes=360, codec_updates=20, seeds=1))
    assert pages[0] == pages[1]
    cells = [cell.strip() for cell in pages[0].strip().splitlines()[-1].strip("|").split("|")]
    assert cells[:2] == ["49", "0"] and len(cells) == 3 + len(breaks.WAYS)
    assert all(0 <= float(cell.split()[0]) <= 1 for cell in cells[2:])


def test_seeds_stand_side_by_side():
    row = {"bits": 98, "noise": 0.01, "faithful": 0.5, "cosine": None, "way": "oracle"}
    direct = [row | {"way": "direct", "seed": s, "told": t, "cosine": c} for s, t, c in ((1, 0.25, 0.5), (2, 1.0, 1.0))]
    rows = [row | {"seed": 1, "told": 0.75}, row | {"seed": 2, "told": 0.5}, *direct]
    assert breaks.table(rows).splitlines()[2].startswith("| 98 | 0.01 | 0.50 | 0.75 0.50 | 0.25 1.00 (0.75) |")


def test_noise_changes_the_pictures_and_not_the_cues(scenes):
    noisy, cue = images(0.05, 180)
    assert torch.equal(cue, scenes[1]) and 0.02 < float((noisy != scenes[0]).any(-1).float().mean()) < 0.08
