"""The compiled generator is numpy's: the same draws and, after them, the same state."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reinstate.envs.engine import pcg64
from reinstate.envs.engine.pcg64 import generator_to_words, set_generator

SEEDS = st.integers(0, 2**128)
INT64 = np.iinfo(np.int64)

# Sizes of a range around which numpy changes its way of drawing, and any others.
EDGES = [1, 2, 3, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1]
SIZES = st.one_of(st.sampled_from(EDGES), st.integers(1, 100), st.integers(1, 2**32), st.integers(1, 2**64 - 1))


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(SIZES)
    low = draw(st.integers(INT64.min, INT64.max - size))
    return low, low + size


# One call each, by name and arguments; the 32-bit ones leave half a word over for the next.
CALLS = st.one_of(
    ranges().map(lambda bounds: ("integers", *bounds)),
    st.just(("next_uint32",)),
    st.just(("next_uint64",)),
    st.integers(0, 60).map(lambda n: ("permutation", n)),
)


def draw_by_numpy(rng: np.random.Generator, name: str, *arguments: int) -> list:
    if name == "integers":
        return [int(rng.integers(*arguments))]
    if name == "permutation":
        return rng.permutation(*arguments).tolist()
    bits = 32 if name == "next_uint32" else 64
    return [int(rng.integers(2**bits, dtype=f"uint{bits}"))]


def draw_compiled(words: np.ndarray, name: str, *arguments: int) -> list:
    drawn = getattr(pcg64, name)(words, *arguments)
    return drawn.tolist() if name == "permutation" else [drawn]


@settings(max_examples=300)
@given(SEEDS, st.lists(CALLS, max_size=60))
def test_mixed_sequences(seed: int, calls: list[tuple]) -> None:
    rng = np.random.default_rng(seed)
    words = generator_to_words(rng)
    for call in calls:
        assert draw_compiled(words, *call) == draw_by_numpy(rng, *call), call
        np.testing.assert_array_equal(words, generator_to_words(rng), err_msg=str(call))


@settings(max_examples=100)
@given(SEEDS, ranges(), st.integers(0, 1))
def test_long_sequences_of_one_range(seed: int, bounds: tuple[int, int], halves: int) -> None:
    """numpy's draw of many at once is that of one after the other, rejections included."""
    rng = np.random.default_rng(seed)
    words = generator_to_words(rng)
    for _ in range(halves):
        assert pcg64.next_uint32(words) == rng.integers(2**32, dtype=np.uint32)
    assert [pcg64.integers(words, *bounds) for _ in range(300)] == rng.integers(*bounds, size=300).tolist()
    np.testing.assert_array_equal(words, generator_to_words(rng))


@pytest.mark.parametrize("size", [*EDGES, 3 * 2**30, 3 * 2**62])
@pytest.mark.parametrize("halves", [0, 1])
def test_edges(size: int, halves: int) -> None:
    """Sizes at which numpy draws in another way; the last two reject a quarter of all words."""
    rng = np.random.default_rng(size)
    words = generator_to_words(rng)
    for _ in range(halves):
        assert pcg64.next_uint32(words) == rng.integers(2**32, dtype=np.uint32)
    low = -(size // 2) - 1
    drawn = [pcg64.integers(words, low, low + size) for _ in range(200)]
    assert drawn == rng.integers(low, low + size, size=200).tolist()
    np.testing.assert_array_equal(words, generator_to_words(rng))


def test_words_are_the_whole_generator() -> None:
    rng, twin = np.random.default_rng(5), np.random.default_rng(6)
    rng.integers(2, dtype=np.uint32)  # leaves half a word buffered
    set_generator(twin, generator_to_words(rng))
    assert (
        rng.integers(2**31, size=20, dtype=np.uint32).tolist()
        == twin.integers(2**31, size=20, dtype=np.uint32).tolist()
    )
    assert rng.permutation(42).tolist() == twin.permutation(42).tolist()
    with pytest.raises(ValueError, match="Only PCG64"):
        generator_to_words(np.random.Generator(np.random.MT19937(0)))
