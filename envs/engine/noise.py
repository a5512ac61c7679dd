"""Distractor pixels: a share of the pixels of an image gets random colours, drawn anew in every step.

An episode draws one seed, and the noise of a pixel is a hash of seed, step and place: an observation remains a function
of the state, however often it is made, and a snapshot shows again what was seen.
"""

from __future__ import annotations

import numpy as np

from reinstate.envs.checks import is_finite_number
from reinstate.envs.engine.loops import allocating_rule, rule
from reinstate.envs.engine.pcg64 import integers

_SEEDS = (1 << 63) - 1

# SplitMix64 (Steele, Lea & Flood 2014): a counter in steps of the first number, mixed by the other two.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_8, _16, _27, _30, _31, _32 = (np.uint64(shift) for shift in (8, 16, 27, 30, 31, 32))


def check_noise(noise: float, observation: str) -> float:
    """The share of noisy pixels as a float.

    Raises:
        ValueError: it is no share, or not zero where there are no pixels.
    """
    if not is_finite_number(noise) or not 0 <= noise <= 1:
        raise ValueError(f"noise={noise!r} is not a share of the pixels: pass a number from 0 to 1.")
    if noise > 0 and observation != "pixels":
        raise ValueError(f"noise={noise!r} needs pixels: pass observation='pixels' as well, or leave noise at 0.")
    return float(noise)


@rule
def draw_noise_seed(generator: np.ndarray) -> int:
    """What an episode draws for its noise, as `Generator.integers(2**63 - 1)` draws it, from a generator [6]."""
    return integers(generator, 0, _SEEDS)


@rule
def _mix(number: np.uint64) -> np.uint64:
    number = (number ^ number >> _30) * _MIX_1
    number = (number ^ number >> _27) * _MIX_2
    return number ^ number >> _31


@allocating_rule
def add_noise(image: np.ndarray, seed: int, step: int, noise: float) -> None:
    """Give each pixel of `image` [H, W, 3] uint8 a random colour with the probability `noise`."""
    threshold = np.uint64(noise * 4294967296.0)  # of 2**32
    start = _mix(np.uint64(seed) + np.uint64(step) * _STEP)
    pixels = image.reshape(-1, 3)
    # One loop would do, in four times the time: this one is done by vector instructions, the next has no branch to
    # guess, and the last visits noisy pixels alone.
    bits = np.empty(len(pixels), dtype=np.uint64)
    for i in range(len(pixels)):
        bits[i] = _mix(start + np.uint64(i + 1) * _STEP)
    noisy = np.empty(len(pixels), dtype=np.int64)
    count = 0
    for i in range(len(pixels)):
        noisy[count] = i
        count += bits[i] >> _32 < threshold
    for i in noisy[:count]:
        pixels[i, 0], pixels[i, 1], pixels[i, 2] = np.uint8(bits[i]), np.uint8(bits[i] >> _8), np.uint8(bits[i] >> _16)
