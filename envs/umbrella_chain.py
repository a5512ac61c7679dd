"""The Umbrella Chain of bsuite (Osband et al. 2020, arXiv 1908.03568).

The rules follow github.com/google-deepmind/bsuite, `environments/umbrella_chain.py`, with the 20 random bits
of its umbrella_length experiment.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from gymnasium import spaces

from reinstate.envs.checks import check_integer
from reinstate.envs.engine.batch import ZERO, BatchEnv
from reinstate.envs.engine.loops import loops_of, rule
from reinstate.envs.engine.pcg64 import integers
from reinstate.envs.engine.single import SingleEnv

RANDOM_BITS = 20
OBSERVATION_SPACE = spaces.Box(low=0.0, high=1.0, shape=(3 + RANDOM_BITS,), dtype=np.float32)

_CELL = 12  # pixels


class Layout(NamedTuple):
    """What the option of an Umbrella Chain decides."""

    length: int


class State(NamedTuple):
    """The state of B chains, int64."""

    need: np.ndarray  # [B]
    have: np.ndarray  # [B]
    random_bits: np.ndarray  # [B, RANDOM_BITS]
    step_count: np.ndarray  # [B]


@rule
def reset_one(state: State, layout: Layout, generator: np.ndarray, b: int) -> None:
    state.need[b] = integers(generator, 0, 2)
    state.have[b] = integers(generator, 0, 2)
    for bit in range(RANDOM_BITS):
        state.random_bits[b, bit] = integers(generator, 0, 2)
    state.step_count[b] = 0


@rule
def step_one(state: State, layout: Layout, generator: np.ndarray, b: int, action: int) -> tuple[float, bool, bool]:
    state.step_count[b] += 1
    if state.step_count[b] == 1:
        state.have[b] = action
    drawn = integers(generator, 0, 1 << (1 + RANDOM_BITS))  # one number: first the reward, then the random bits
    for bit in range(RANDOM_BITS):
        state.random_bits[b, bit] = drawn >> (1 + bit) & 1
    terminated = state.step_count[b] == layout.length
    good = state.have[b] == state.need[b] if terminated else drawn & 1 == 1
    return (1.0 if good else -1.0), terminated, False


@rule
def observe_one(state: State, layout: Layout, b: int, out: np.ndarray) -> None:
    out[0] = state.need[b]
    out[1] = state.have[b]
    out[2] = 1 - state.step_count[b] / layout.length
    for bit in range(RANDOM_BITS):
        out[3 + bit] = state.random_bits[b, bit]


class UmbrellaChainVector(BatchEnv):
    """B environments `Reinstate/UmbrellaChain-v0`."""

    action_names = ("leave", "take")
    loops = loops_of(reset_one, step_one, observe_one)

    def __init__(self, num_envs: int = 1, length: int = 100, render_mode: str | None = None):
        check_integer("length", length, low=1)
        state = State(need=ZERO, have=ZERO, random_bits=np.zeros(RANDOM_BITS, dtype=np.int64), step_count=ZERO)
        super().__init__(num_envs, Layout(int(length)), state, OBSERVATION_SPACE, spaces.Discrete(2), render_mode)

    def final_info(self) -> dict[str, np.ndarray]:
        return {"is_success": self.state.have == self.state.need}

    def draw(self, b: int) -> np.ndarray:
        """Need and have (blue if so, else grey), the random bits, and the time left as a bar."""
        state, length = self.state, self.layout.length
        picture = np.zeros((3, RANDOM_BITS, 3), dtype=np.uint8)
        for column, umbrella in ((0, state.need[b]), (2, state.have[b])):
            picture[0, column] = (60, 60, 220) if umbrella else (90, 90, 90)
        picture[1, state.random_bits[b] == 1] = 255
        picture[2, : -(-RANDOM_BITS * (length - state.step_count[b]) // length)] = 90
        return picture.repeat(_CELL, axis=0).repeat(_CELL, axis=1)


class UmbrellaChain(SingleEnv):
    """Take an umbrella or not: a choice whose reward comes `length` steps later, under noise (bsuite).

    ## Description

    The observation says whether the umbrella will be needed. The first action takes it (1) or leaves it (0);
    all later actions do nothing. Only the last reward depends on that choice; all rewards in between are
    random. Nothing needs to be remembered, as need and umbrella stay in view: this tests credit assignment.

    ## Actions

    | Num | Name  | Effect                                         |
    |-----|-------|------------------------------------------------|
    | 0   | leave | first step: go without the umbrella, then none |
    | 1   | take  | first step: take the umbrella, then none        |

    ## Observation

    Box(0, 1, (23,), float32), after t steps:

    | Component | Name        | Value                                                             |
    |-----------|-------------|-------------------------------------------------------------------|
    | 0         | need        | 1 if the umbrella will be needed, the same in the whole episode   |
    | 1         | have        | 1 if the agent has it: random at t = 0, then the first action     |
    | 2         | time        | 1 - t / length                                                    |
    | 3..22     | random bits | 0 or 1, drawn anew every step                                     |

    ## Reward

    Last step: +1 if have equals need, else -1. Every other step: +1 or -1 at random.

    ## Termination and truncation

    Terminated after exactly `length` steps; never truncated. The last step's info has `is_success` (bool):
    whether have equals need.

    ## Optimal return, memory lag, credit lag, chance level

    | Optimal return | Best without memory | Random policy   | Memory lag | Credit lag |
    |----------------|---------------------|-----------------|------------|------------|
    | 1.0 (mean)     | 1.0 (mean)          | 0 (success 1/2) | none       | length     |

    The noise gives returns a standard deviation of sqrt(length - 1): judge by `is_success`, which has none.

    ## Registered ids

    - `Reinstate/UmbrellaChain-v0`
    """

    batch_class = UmbrellaChainVector
