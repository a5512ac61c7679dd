"""numpy's default random generator (PCG64) in compiled code: the same draws, bit for bit, from plain arrays.

A generator is a row of 6 words, [6] uint64: the high and low half of its state, the high and low half of its
increment, whether 32 bits are left over from the last word, and those bits. `generator_to_words` makes such a row
from a `numpy.random.Generator`, and each function below advances it as the method of the same name would advance the
generator. Streams are those of numpy 2; its `Generator` promises to keep them within a release only, so the tests
compare every draw with the numpy that is installed.

>>> rng = np.random.default_rng(7)
>>> words = generator_to_words(rng)
>>> [int(integers(words, 0, 6)) for _ in range(4)] == rng.integers(6, size=4).tolist()
True
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from reinstate.compiled import njit

WORDS = 6
_STATE_HIGH, _STATE_LOW, _INCREMENT_HIGH, _INCREMENT_LOW, _HAS_HALF, _HALF = range(WORDS)

# Typed: numba makes a float64 of a uint64 and a plain integer.
_MULTIPLIER_HIGH, _MULTIPLIER_LOW = np.uint64(0x2360ED051FC65DA4), np.uint64(0x4385DF649FCCF645)
_ZERO, _ONE = np.uint64(0), np.uint64(1)
_ALL_32, _ALL_64 = np.uint64(0xFFFFFFFF), np.uint64(0xFFFFFFFFFFFFFFFF)
_32, _58, _63 = np.uint64(32), np.uint64(58), np.uint64(63)


def generator_to_words(rng: np.random.Generator) -> np.ndarray:
    """The whole state of a PCG64 generator as [6] uint64, which any array format can store."""
    state = rng.bit_generator.state
    if state["bit_generator"] != "PCG64":
        raise ValueError(f"Only PCG64 generators can be saved, not {state['bit_generator']}.")
    position, increment = state["state"]["state"], state["state"]["inc"]
    low = int(_ALL_64)
    halves = (position >> 64, position & low, increment >> 64, increment & low)
    return np.array([*halves, state["has_uint32"], state["uinteger"]], dtype=np.uint64)


def set_generator(rng: np.random.Generator, words: np.ndarray) -> None:
    """Bring a PCG64 generator into the state that `generator_to_words` saved: it continues with the same draws."""
    state_high, state_low, increment_high, increment_low, has_half, half = (int(word) for word in words)
    rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": state_high << 64 | state_low, "inc": increment_high << 64 | increment_low},
        "has_uint32": has_half,
        "uinteger": half,
    }


@intrinsic
def _multiply_high(typing_context: Any, left: Any, right: Any) -> Any:
    """The high half of the 128-bit product of two uint64: one machine instruction that Python has no name for."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = [builder.zext(argument, ir.IntType(128)) for argument in arguments]
        return builder.trunc(builder.lshr(builder.mul(*wide), ir.Constant(ir.IntType(128), 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@njit(cache=True, forceinline=True)
def next_uint64(words: np.ndarray) -> np.uint64:
    """Advance the generator [6] by one step: 64 random bits."""
    low, multiplier_low = words[_STATE_LOW], _MULTIPLIER_LOW
    high: np.uint64 = _multiply_high(low, multiplier_low)  # type: ignore[call-arg]
    high += words[_STATE_HIGH] * multiplier_low + low * _MULTIPLIER_HIGH
    new_low = low * multiplier_low + words[_INCREMENT_LOW]
    carry = _ONE if new_low < words[_INCREMENT_LOW] else _ZERO
    new_high = high + words[_INCREMENT_HIGH] + carry
    words[_STATE_HIGH], words[_STATE_LOW] = new_high, new_low
    # The output function XSL-RR: the halves xored, turned right by the uppermost 6 bits.
    mixed, turn = new_high ^ new_low, new_high >> _58
    return mixed >> turn | mixed << (_ZERO - turn & _63)


@njit(cache=True, forceinline=True)
def next_uint32(words: np.ndarray) -> np.uint64:
    """32 random bits: the lower half of a word, and at the next call its upper half."""
    if words[_HAS_HALF] == _ONE:
        words[_HAS_HALF] = _ZERO
        half: np.uint64 = words[_HALF]
        return half
    word = next_uint64(words)
    words[_HAS_HALF], words[_HALF] = _ONE, word >> _32
    return word & _ALL_32


@njit(cache=True, forceinline=True)
def integers(words: np.ndarray, low: int, high: int) -> int:
    """An integer of low..high - 1, as `Generator.integers(low, high)` draws it; the caller sees to low < high.

    Lemire's method (arXiv 1805.10941), as numpy has it: from 32 bits where the range allows, else from 64.
    """
    last = np.uint64(high - low - 1)
    if last == _ZERO:
        return low
    if last == _ALL_32:
        return int(low + np.int64(next_uint32(words)))
    size = last + _ONE
    if last < _ALL_32:
        product = next_uint32(words) * size
        rest = product & _ALL_32
        if rest < size:
            threshold = (_ALL_32 - last) % size
            while rest < threshold:
                product = next_uint32(words) * size
                rest = product & _ALL_32
        return int(low + np.int64(product >> _32))
    word = next_uint64(words)
    rest = word * size
    if rest < size:
        threshold = (_ALL_64 - last) % size
        while rest < threshold:
            word = next_uint64(words)
            rest = word * size
    return int(low + np.int64(_multiply_high(word, size)))  # type: ignore[call-arg]


@njit(cache=True)
def permutation(words: np.ndarray, n: int) -> np.ndarray:
    """The numbers 0..n - 1 in random order [n] int64, as `Generator.permutation(n)` draws it for n up to 2**32.

    numpy draws a place not as `integers` does, but by cutting 32 bits down to as many as the place may have, until
    the place is in range.
    """
    items = np.empty(n, dtype=np.int64)
    for i in range(n):
        items[i] = i
    mask = _ZERO
    while mask < np.uint64(n):
        mask = mask << _ONE | _ONE
    for i in range(n - 1, 0, -1):
        place = np.uint64(i)
        while mask >> _ONE >= place:
            mask >>= _ONE
        j = next_uint32(words) & mask
        while j > place:
            j = next_uint32(words) & mask
        items[i], items[j] = items[j], items[i]
    return items
