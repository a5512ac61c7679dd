"""The books on memory: every way remembers the same and sends the same gradient; the table resumes."""

import json

import learner_memory
import pytest
import torch
from learner_memory import Books, Convolutions, measure, observations, table

import reinstate.experiment.bench
from reinstate.agents.encoders import ObservationSpec
from reinstate.experiment.cli import main
from reinstate.memory.codec import build_autoencoder
from reinstate.memory.store import bytes_per_slot, empty


class Exact:
    """Codes are the observations."""

    version, code_bytes = 0, 75
    current = property(lambda self: self)

    def encode(self, frames):
        return frames.flatten(1)

    def decode(self, codes, version):
        return codes.view(-1, 5, 5, 3)

    def readable(self, version):
        return torch.ones_like(version, dtype=torch.bool)


def test_every_way_sends_the_same_gradient():
    """With a codec that loses nothing, K above the length, and all embeddings current."""
    found = []
    for way in learner_memory.WAYS:
        torch.manual_seed(0)
        embed, parts = Convolutions((5, 5, 3)), observations("5x5x3", 600)
        read = learner_memory.MemoryRead(learner_memory.STATE, learner_memory.WIDTH, learner_memory.HEADS, 600)
        state = torch.randn(1, learner_memory.STATE)
        if way == "all activations":
            learner_memory.all_activations(embed, parts, read, state)
        elif way == "checkpointing":
            learner_memory.checkpointing(embed, parts, read, state)
        else:
            codec = learner_memory.Kept() if way == "stored observations" else Exact()
            learner_memory.with_memory(embed, parts, read, state, codec)
        found.append(torch.cat([p.grad.flatten() for p in embed.parameters()]))
    assert found[0].norm() > 0
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-3, atol=1e-3 * float(found[0].abs().max()))


def test_observations_are_the_same_again_and_all_different():
    parts = observations("5x5x3", 600)
    frames = torch.cat([draw() for draw in parts])
    assert frames.shape == (600, 5, 5, 3) and len(frames.flatten(1).unique(dim=0)) == 600
    assert torch.equal(parts[1](), parts[1]())


def test_a_slot_has_at_most_256_bytes():
    for size, bits in learner_memory.BITS.items():
        kind = "grid" if "symbols" in size else "image"
        spec = ObservationSpec(kind, learner_memory.SIZES[size])
        net = build_autoencoder(kind, spec.shape, learner_memory.GRID_CATEGORIES, bits)
        assert bytes_per_slot(empty(1, 1, learner_memory.WIDTH, net.code_bytes)) <= 256


def test_a_cell_is_measured_in_a_process_of_its_own():
    few, many = (learner_memory.measured(f"all activations|7x7x3 symbols|{n}") for n in (100, 20_000))
    assert many["bytes"] > few["bytes"] + 20_000 * 1_000 and many["seconds"] > 0


def test_the_table_resumes_and_leaves_out_what_is_too_much(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(learner_memory, "HERE", tmp_path)
    monkeypatch.setattr(learner_memory, "RESULTS", tmp_path / "rows.jsonl")
    asked = []

    def fake(cell):
        asked.append(cell)
        return {"bytes": 1e9 * int(cell.split("|")[2]), "seconds": 0.5}

    monkeypatch.setattr(learner_memory, "measured", fake)
    books = Books(lengths=(1, 2, 20), sizes=("56x56x3", "5x5x3"))
    measure(books)
    assert "recalculation|56x56x3|2" in asked and "recalculation|56x56x3|20" not in asked
    assert "checkpointing|5x5x3|2" in asked
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == len(asked) == len(set(asked))
    measure(books)
    assert len(asked) == len(rows)
    text = table(books)
    assert "| recalculation | 1,000.0 MB, 0.50 s | 2,000.0 MB, 0.50 s | - |" in text
    learner_memory.main(books)
    assert (tmp_path / "learner_memory.md").read_text() == text


def test_reinstate_bench(monkeypatch, tmp_path, capsys):
    run = []
    monkeypatch.setattr(reinstate.experiment.bench.subprocess, "run", lambda words, cwd: run.append(words) or Done())
    assert main(["bench", "memory"]) == 3
    assert run[0][1].endswith("benchmarks/books/learner_memory.py")
    monkeypatch.setattr(reinstate.experiment.bench, "FOLDER", tmp_path)
    assert main(["bench", "memory"]) == 2
    assert "checkout" in capsys.readouterr().err


class Done:
    returncode = 3


@pytest.mark.parametrize("name", reinstate.experiment.bench.SCRIPTS)
def test_every_benchmark_is_there(name):
    assert (reinstate.experiment.bench.FOLDER / reinstate.experiment.bench.SCRIPTS[name]).is_file()
