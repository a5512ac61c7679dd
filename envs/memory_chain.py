"""The Memory Chain of bsuite (Osband et al. 2020, arXiv 1908.03568).

The rules follow github.com/google-deepmind/bsuite, `environments/memory_chain.py`.
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

RENDERED_COLUMNS = 40
_CELL = 12  # pixels


class Layout(NamedTuple):
    """What the options of a Memory Chain decide."""

    length: int
    bits: int
    episode_steps: int


class State(NamedTuple):
    """The state of B chains, int64."""

    context: np.ndarray  # [B, bits] of 0 and 1
    query: np.ndarray  # [B] the bit asked for
    step_count: np.ndarray  # [B]
    success: np.ndarray  # [B] of the last step


@rule
def reset_one(state: State, layout: Layout, generator: np.ndarray, b: int) -> None:
    for bit in range(layout.bits):
        state.context[b, bit] = integers(generator, 0, 2)
    state.query[b] = integers(generator, 0, layout.bits)
    state.step_count[b] = state.success[b] = 0


@rule
def step_one(state: State, layout: Layout, generator: np.ndarray, b: int, action: int) -> tuple[float, bool, bool]:
    state.step_count[b] += 1
    if state.step_count[b] != layout.episode_steps:
        return 0.0, False, False
    success = action == state.context[b, state.query[b]]
    state.success[b] = success
    return (1.0 if success else -1.0), True, False


@rule
def observe_one(state: State, layout: Layout, b: int, out: np.ndarray) -> None:
    clock = max(0, state.step_count[b] - 1)
    out[0] = 1 - clock / layout.length
    out[1] = state.query[b] if clock == layout.length - 1 else 0
    for bit in range(layout.bits):
        out[2 + bit] = 2 * state.context[b, bit] - 1 if clock == 0 else 0


class MemoryChainVector(BatchEnv):
    """B environments `Reinstate/MemoryChain-v0`."""

    action_names = ("-1", "+1")
    loops = loops_of(reset_one, step_one, observe_one)

    def __init__(self, num_envs: int = 1, length: int = 100, bits: int = 1, render_mode: str | None = None):
        check_integer("length", length, low=1)
        check_integer("bits", bits, low=1)
        layout = Layout(int(length), int(bits), episode_steps=int(length) + 1)
        state = State(context=np.zeros(bits, dtype=np.int64), query=ZERO, step_count=ZERO, success=ZERO)
        space = spaces.Box(low=-1.0, high=max(1.0, bits - 1.0), shape=(2 + int(bits),), dtype=np.float32)
        super().__init__(num_envs, layout, state, space, spaces.Discrete(2), render_mode)

    def final_info(self) -> dict[str, np.ndarray]:
        return {"is_success": self.state.success == 1}

    def draw(self, b: int) -> np.ndarray:
        """The bits (green +1, red -1; at most 40), a mark under the one asked for, the time left."""
        steps_left = self.layout.episode_steps - self.state.step_count[b]
        picture = np.zeros((3, RENDERED_COLUMNS, 3), dtype=np.uint8)
        for bit, sign in enumerate(self.state.context[b, :RENDERED_COLUMNS]):
            picture[0, bit] = (0, 160, 0) if sign else (160, 0, 0)
        if self.state.query[b] < RENDERED_COLUMNS:
            picture[1, self.state.query[b]] = 255
        picture[2, : -(-RENDERED_COLUMNS * steps_left // self.layout.episode_steps)] = 90
        return picture.repeat(_CELL, axis=0).repeat(_CELL, axis=1)


class MemoryChain(SingleEnv):
    """Repeat a bit that was shown `length` steps ago (bsuite's memory_len and memory_size).

    ## Description

    The first two observations show a context of `bits` random signs; then it is gone. All actions but the
    last do nothing. The observation before the last action names one bit, and the last action must be 1 if
    the context was +1 there and 0 if it was -1.

    bsuite makes an observation before it counts the step, so the first observation comes twice and an episode
    has length + 1 actions. This environment does the same. bsuite's memory_len uses one bit and lengths
    1..10, 12, 14, 17, 20, 25, 30, 40, 50, 60, 70, 80, 90 and 100; its memory_size uses length 2 and many bits.

    ## Actions

    | Num | Name | Effect                                         |
    |-----|------|------------------------------------------------|
    | 0   | -1   | the last action of an episode says "it was -1" |
    | 1   | +1   | the last action of an episode says "it was +1" |

    ## Observation

    Box(-1, max(1, bits - 1), (2 + bits,), float32). After k actions the clock t is max(0, k - 1):

    | Component | Name    | Value                                                          |
    |-----------|---------|----------------------------------------------------------------|
    | 0         | time    | 1 - t / length                                                 |
    | 1         | query   | the number of the bit asked for if t = length - 1, else 0      |
    | 2...      | context | +1 or -1 each if t = 0 (the first two observations), else 0    |

    ## Reward

    Last step: +1 if the action is right, else -1. Before: 0.

    ## Termination and truncation

    Terminated after exactly length + 1 steps; never truncated. The last step's info has `is_success` (bool).

    ## Optimal return, memory lag, credit lag, chance level

    | Optimal return | Best without memory | Random policy   | Memory lag | Credit lag |
    |----------------|---------------------|-----------------|------------|------------|
    | 1.0            | 0 (success 1/2)     | 0 (success 1/2) | length - 1 | 1          |

    With length 1 context and query are in the same observation, and no memory is needed.

    ## Registered ids

    - `Reinstate/MemoryChain-v0`
    """

    batch_class = MemoryChainVector
