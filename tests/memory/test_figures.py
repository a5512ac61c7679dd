"""The memory's figures, by hand."""

import math

import pytest
import torch

from reinstate.memory.figures import describe
from reinstate.memory.slots import bytes_per_slot, empty, write


def test_figures_of_two_memories():
    """Environment 0 reads two slots, of ages 5 and 1, with a quarter and a half; environment 1, whose memory is empty,
    the null slot alone, whatever stands where nothing was written."""
    memory = empty(2, 3, width=2, code_bytes=1)
    for place, step in ((0, 5), (2, 9)):
        write(memory, torch.tensor([0]), torch.tensor([place]), step=step)
    attention = torch.tensor([[0.25, 0.9, 0.5], [0.9, 0.9, 0.9]])
    got = describe(memory, attention, torch.tensor([10, 3]))
    entropy = -(0.25 * math.log(0.25) + 0.5 * math.log(0.5))
    assert got == {
        "memory/slots_used": 1.0,
        "memory/read_entropy": pytest.approx(entropy / 2),
        "memory/read_age": pytest.approx((0.25 * 5 + 0.5 * 1) / 0.75 / 2),
        "memory/null_weight": pytest.approx((0.25 + 1.0) / 2),
        "memory/bytes_per_slot": bytes_per_slot(memory),
    }


def test_nothing_is_younger_than_now():
    """Between an episode's end and its first step the time is 0 and the old slots still stand."""
    memory = empty(1, 1, width=2, code_bytes=1)
    write(memory, torch.tensor([0]), torch.tensor([0]), step=7)
    assert describe(memory, torch.ones(1, 1), torch.tensor([0]))["memory/read_age"] == 0.0
