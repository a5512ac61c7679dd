"""The ranges of vectors, and the scaling that follows; codes of older scalings stay readable."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reinstate.memory.codec.codec import Codec, build_codec
from reinstate.memory.codec.vector import VectorAutoencoder
from reinstate.memory.scaling import GROWTH, KEPT, LIMIT, VectorRange, scaling_of
from tests.states import through_a_file


def seen(rows, width=2):
    """A range that has seen these observations, one after the other."""
    found = VectorRange(width)
    for row in rows:
        x = torch.tensor(row).view(1, width)
        found.extend(x.amin(0), x.amax(0))
    return found


def test_nothing_is_scaled_before_something_was_seen_and_where_values_reach_one():
    x = torch.tensor([[0.0, 0.7], [-1.0, 0.5], [3.0, -50.0]])
    for found in (VectorRange(2), seen([[0.0, 0.0]]), seen([[0.0, 1.0], [1.0, -1.0]]), seen([[0.0, 1.0], [0.0, -0.5]])):
        assert torch.equal(found(x), x.clamp(-LIMIT, LIMIT)) and torch.equal(found.undo(found.exact(x)), x)


def test_components_are_in_units_of_their_ranges():
    """Magnitudes; a middle far from 0; one that was 0 so far; one below the rounding of the largest."""
    low, high = torch.tensor([-4e5, 999.0, 0.0, 0.0, 1000.0]), torch.tensor([2e5, 1001.0, 0.0, 1e-9, 1000.0])
    center, scale = scaling_of(low, high)
    assert center.tolist() == [0.0, 1000.0, 0.0, 0.0, 0.0]
    assert scale.tolist() == pytest.approx([4e5, 1.0, 4e5, 4e5 * torch.finfo(torch.float32).eps, 1000.0])


@given(st.floats(2.0**-60, 2.0**50, width=32), st.lists(st.floats(-1, 1, width=16), min_size=4, max_size=12))
def test_another_unit_gives_the_same_numbers(unit, values):
    rows = [values[i : i + 2] for i in range(0, len(values) - 1, 2)]
    found, other = seen(rows), seen([[unit * a, unit * b] for a, b in rows])
    x = torch.tensor(rows)
    if bool(found.high.maximum(-found.low).max() > 0):  # all zeros are in no unit
        torch.testing.assert_close(found(x), other(x * unit), atol=1e-5, rtol=1e-5)


def test_the_scaling_in_use_changes_only_when_the_range_has_grown_by_a_quarter():
    found = seen([[1.0, 1.0]])
    for largest, moves in ((1.0, False), (-KEPT, False), (1.3, True), (1.4, False)):
        x = torch.tensor([largest, 0.0])
        assert found.extend(x, x) == moves
    assert found.scale.tolist() == pytest.approx([1.3, 1.0])


def test_one_huge_number_does_not_hide_all_others():
    found = seen([[1.0, 1.0], [1e15, 0.0]])
    assert found.scale.tolist() == [1.0 + GROWTH, 1.0]
    assert found(torch.tensor([[1e15, -1e15]])).tolist() == [[LIMIT, -LIMIT]]


def test_codes_are_read_in_the_scaling_that_wrote_them():
    codec = build_codec("vector", (3,), (), 294)
    frames = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.5, -0.5], [0.25, 0.0, 0.0]])
    codes, versions = [codec.current.encode(frames)], [codec.version]
    for factor in (1e4, 1e8):
        x = factor * frames
        assert codec.autoencoder.range.extend(x.amin(0), x.amax(0))
        codec.autoencoder.range.extend(x.amin(0), x.amax(0))  # growth is bounded
        for _ in range(9):
            codec.autoencoder.range.extend(x.amin(0), x.amax(0))
        codec.restart()
        codes.append(codec.current.encode(x))
        versions.append(codec.version)
        assert bool((codec.current.fidelity(x, codes[-1]) == 1.0).all())
    again = build_codec("vector", (3,), (), 294)
    again.load_state_dict(through_a_file(codec.state_dict()))
    for c in (codec, again):
        for factor, code, version in zip((1.0, 1e4, 1e8), codes, versions, strict=True):
            decoded = c.decode(code, torch.full((3,), version))
            torch.testing.assert_close(decoded / factor, frames, atol=0.1, rtol=0.0)


def test_tiny_numbers_have_different_codes():
    """With an absolute tolerance all would have one, and be right."""
    frames = 1e-6 * torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.3]])
    codec = Codec(VectorAutoencoder((2,), 64))
    codec.autoencoder.range.extend(frames.amin(0), frames.amax(0))
    codec.restart()
    codes = codec.current.encode(frames)
    assert len(torch.unique(codes, dim=0)) == 3 and bool((codec.current.fidelity(frames, codes) == 1.0).all())
    assert bool((codec.current.fidelity(-frames, codes) < 1.0).all())
