"""Where recalculation breaks: with a codec that loses nothing, every way that sends gradients is the oracle."""

import pytest
import torch

from benchmarks.measures import robustness
from benchmarks.measures.robustness import images, learn


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
    monkeypatch.setattr(robustness, "FRESH", 36)
    monkeypatch.setattr(robustness, "LAG", 1)
    monkeypatch.setattr(robustness, "BATCH", 12)
    told = {}
    for way in ("oracle", "direct", "direct, ungated", "none"):
        told[way], cosine = learn(way, Lossless(), *scenes, seed=1)
        assert way in ("oracle", "none") or cosine == pytest.approx(1.0, abs=1e-4)
    assert told["oracle"] == told["direct"] == told["direct, ungated"]
    assert learn("refresh", Lossless(), *scenes, seed=1)[1] == pytest.approx(1.0, abs=1e-4)


def test_a_condition_of_the_table(monkeypatch):
    for name, value in (("FRESH", 36), ("SCENES", 180), ("CODEC_UPDATES", 20), ("SEEDS", 1)):
        monkeypatch.setattr(robustness, name, value)
    cell = robustness.cells([])[5]
    rows = list(robustness.rows(cell))
    assert [r["way"] for r in rows] == list(robustness.WAYS) and all(r.items() >= cell.items() for r in rows)
    assert rows[1:2] == [r for r in robustness.rows(cell) if r["way"] == "direct"]  # the same again
    cells = [cell.strip() for cell in robustness.table(rows).strip().splitlines()[-1].strip("|").split("|")]
    assert cells[:2] == ["49", "0"] and len(cells) == 3 + len(robustness.WAYS)
    assert all(0 <= float(cell.split()[0]) <= 1 for cell in cells[2:])


def test_seeds_stand_side_by_side(monkeypatch):
    row = {"bits": 98, "noise": 0.01, "faithful": 0.5, "cosine": None, "way": "oracle"}
    direct = [row | {"way": "direct", "seed": s, "told": t, "cosine": c} for s, t, c in ((1, 0.25, 0.5), (2, 1.0, 1.0))]
    monkeypatch.setattr(robustness, "CONDITIONS", [(2, 0.01)])
    rows = [row | {"seed": 1, "told": 0.75}, row | {"seed": 2, "told": 0.5}, *direct]
    assert robustness.table(rows).splitlines()[2].startswith("| 98 | 0.01 | 0.50 | 0.75 0.50 | 0.25 1.00 (0.75) |")


def test_noise_changes_the_pictures_and_not_the_cues(scenes):
    noisy, cue = images(0.05, 180)
    assert torch.equal(cue, scenes[1]) and 0.02 < float((noisy != scenes[0]).any(-1).float().mean()) < 0.08
