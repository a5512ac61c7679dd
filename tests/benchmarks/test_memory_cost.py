"""Memory cost: every way remembers the same and sends the same gradient; what would be too much is left out."""

import pytest
import torch

from benchmarks import engine
from benchmarks.measures import memory_cost
from benchmarks.measures.memory_cost import Convolutions, observations
from benchmarks.rows import read_rows
from reinstate.experiment.bench import BenchOptions
from reinstate.memory.codec.codec import build_codec
from reinstate.memory.options import MemoryOptions
from reinstate.memory.recalculation import Direct
from reinstate.memory.slots import bytes_per_slot, empty


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
    for way in memory_cost.WAYS:
        torch.manual_seed(0)
        embed, parts = Convolutions((5, 5, 3)), observations("5x5x3", 600)
        read = memory_cost.MemoryRead(memory_cost.STATE, memory_cost.WIDTH, memory_cost.HEADS, 600)
        state = torch.randn(1, memory_cost.STATE)
        if way == "all activations":
            memory_cost.all_activations(embed, parts, read, state)
        elif way == "checkpointing":
            memory_cost.checkpointing(embed, parts, read, state)
        else:
            options = MemoryOptions(recalculated_codes=600, min_fidelity=0.0)
            mode = memory_cost.Stored if way == "stored observations" else Direct
            memory_cost.with_memory(embed, parts, read, state, mode(Exact(), embed, options))
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
    for size, bits in memory_cost.BITS.items():
        kind = "grid" if "symbols" in size else "image"
        codec = build_codec(kind, memory_cost.SIZES[size], memory_cost.GRID_CATEGORIES, bits)
        assert bytes_per_slot(empty(1, 1, memory_cost.WIDTH, codec.code_bytes)) <= 256


@pytest.mark.slow
def test_a_cell_is_measured_in_a_process_of_its_own():
    cell = {"way": "all activations", "size": "7x7x3 symbols"}
    few, many = (next(memory_cost.rows(cell | {"length": n})) for n in (100, 20_000))
    assert many.items() >= cell.items()
    assert many["bytes"] > few["bytes"] + 20_000 * 1_000 and many["seconds"] > 0


def test_the_measure_resumes_and_leaves_out_what_is_too_much(results, monkeypatch):
    asked = []

    def fake(module, cell):
        assert module == memory_cost.__name__
        asked.append("|".join(str(value) for value in cell.values()))
        return {"bytes": 1e9 * cell["length"], "seconds": 0.5}

    monkeypatch.setattr(memory_cost, "in_a_process", fake)
    sizes = {size: memory_cost.SIZES[size] for size in ("56x56x3", "5x5x3")}
    for name, value in (("LENGTHS", (1, 2, 20)), ("MIDDLE", 2), ("SIZES", sizes)):
        monkeypatch.setattr(memory_cost, name, value)
    engine.run(BenchOptions("memory-cost"))
    assert "recalculation|56x56x3|2" in asked and "recalculation|56x56x3|20" not in asked
    assert "checkpointing|5x5x3|2" in asked
    rows = read_rows(results / "memory_cost.jsonl")
    assert len(rows) == len(asked) == len(set(asked))
    engine.run(BenchOptions("memory-cost"))
    assert len(asked) == len(rows)
    text = (results / "memory_cost.md").read_text()
    assert "| recalculation | 1,000.0 MB, 0.50 s | 2,000.0 MB, 0.50 s | - |" in text
