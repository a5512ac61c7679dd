"""How rare codes are among finished episodes: surprise, and the episodes that are drawn by rarity."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reinstate.agents.extensions.rarity import Rarity, beyond
from reinstate.memory.episodes import EpisodeBuffer
from reinstate.memory.slots import empty, write


def put(memory, env, place, **values):
    write(memory, torch.tensor([env]), torch.tensor([place]), **values)


def buffer_of(codes, version=0, capacity=None):
    """Episodes that hold these codes: a list for each."""
    places = max([len(c) for c in codes] + [1])
    memory = empty(len(codes), places, width=1, code_bytes=1)
    for env, held in enumerate(codes):
        for place, code in enumerate(held):
            put(memory, env, place, code_hash=code, version=version)
    buffer = EpisodeBuffer(capacity or len(codes), memory)
    nothing = torch.zeros(len(codes))
    buffer.add(memory, nothing, nothing.long(), nothing.bool())
    return buffer


def test_surprise_is_how_few_episodes_hold_a_code():
    """Of four episodes three hold code 7 and one holds 8; a fifth was written by another version."""
    buffer = EpisodeBuffer(8, empty(1, 2, width=2, code_bytes=1))
    memory = empty(5, 2, width=2, code_bytes=1)
    for env, code in enumerate((7, 7, 7, 9, 7)):
        put(memory, env, 0, code_hash=code, version=2 if env < 4 else 1)
    put(memory, 0, 1, code_hash=8, version=2)
    put(memory, 1, 1, code_hash=7, version=2)  # twice in one episode, as other write rules do
    assert Rarity.of(buffer, 2).surprise(torch.tensor([7]), torch.tensor([2])).tolist() == [0.0]  # nothing is known yet
    five = torch.zeros(5)
    buffer.add(memory, five, five.long(), five.bool())
    got = Rarity.of(buffer, 2).surprise(torch.tensor([7, 8, 5, 99, 99]), torch.tensor([2, 2, 2, 2, 1]))
    assert got.tolist() == pytest.approx([-math.log(4 / 5), -math.log(2 / 5), math.log(5), math.log(5), 0.0])


def test_only_what_exceeds_the_rarest_thing_so_far_counts():
    slots = torch.tensor([[1.0, 3.0], [1.0, 3.0], [1.0, 3.0]])
    visible = torch.tensor([[True, False], [True, True], [False, False]])
    assert beyond(torch.tensor([2.0, 2.0, 2.0]), slots, visible).tolist() == [1.0, 0.0, 2.0]


def test_rare_episodes_have_half_of_the_draws():
    """Four episodes hold code 7, two of them 8 as well, the last also 9: they weigh 1/4, 1/4, 1/2 and 1 by rarity."""
    buffer = buffer_of([[7], [7], [7, 8], [7, 8, 9]], capacity=9)
    expected = [1 / 8 + weight / 4 for weight in (1 / 4, 1 / 4, 1 / 2, 1)]
    assert Rarity.of(buffer, 0).share_of_draws.tolist() == pytest.approx(expected)
    assert Rarity.of(buffer, 1).share_of_draws.tolist() == [1 / 4] * 4  # nothing of this version: evenly


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(1, 6), max_size=5), min_size=1, max_size=8))
def test_share_of_draws_against_a_naive_loop(codes):
    rarest = [max((1 / sum(c in other for other in codes) for c in held), default=0.0) for held in codes]
    even = 1 / len(codes)
    expected = [even / 2 + r / sum(rarest) / 2 if sum(rarest) else even for r in rarest]
    assert Rarity.of(buffer_of(codes), 0).share_of_draws.tolist() == pytest.approx(expected, abs=1e-6)
