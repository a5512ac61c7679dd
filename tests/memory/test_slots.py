"""Slots: which one is written, what is evicted, what a slot earned; write rules; bytes."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reinstate.memory.slots import (
    EVICTION,
    bytes_per_slot,
    clear,
    close,
    distance_to_older,
    empty,
    slot_to_write,
    write,
)
from reinstate.memory.write_rules import CHANGES_ONLY, WRITE_RULES


def put(memory, env, slot, step=0, code_hash=0, value=1.0, paid=0.0):
    index, place = torch.tensor([env]), torch.tensor([slot])
    write(
        memory,
        index,
        place,
        step=step,
        embedding=torch.full((1, memory.embedding.shape[2]), value),
        code_hash=code_hash,
        fidelity=1.0,
        paid=torch.tensor([paid]),
    )


def test_clear_empties_only_the_environments_whose_episode_begins():
    memory = empty(2, 3, 4, 1)
    put(memory, 0, 0)
    put(memory, 1, 0, step=6)
    clear(memory, torch.tensor([0]))
    assert memory.written.tolist() == [[False] * 3, [True, False, False]]


def test_free_slots_come_first_then_the_oldest():
    memory = empty(1, 3, 4, 1)
    index = torch.tensor([0])
    for slot, step in ((0, 5), (1, 2)):
        put(memory, 0, slot, step)
    assert slot_to_write(memory, index, "fifo").item() == 2
    put(memory, 0, 2, 9)
    assert slot_to_write(memory, index, "fifo").item() == 1


@settings(max_examples=50)
@given(st.integers(1, 4), st.lists(st.integers(0, 9), max_size=12), st.sampled_from(sorted(EVICTION)))
def test_what_makes_room_against_a_naive_store(places, values, rule):
    """Embeddings on a line, written one after the other."""
    memory, store = empty(1, places, 1, 1), {}  # place: step, value

    def from_older(place):
        step, value = store[place]
        return min((abs(value - v) for s, v in store.values() if s < step), default=math.inf)

    for step, value in enumerate(values):
        place = slot_to_write(memory, torch.tensor([0]), rule).item()
        if len(store) < places:
            assert place == len(store)
        elif rule == "fifo":
            assert store[place][0] == min(s for s, _ in store.values())
        else:
            assert from_older(place) == min(map(from_older, store))
        put(memory, 0, place, step=step, value=float(value))
        store[place] = step, value


def test_the_most_like_an_older_one_makes_room():
    """On a line at 0, 5, 1, 6.5, written in that order but for the last two: the third is 1 from the first."""
    memory = empty(2, 4, 1, 1)
    for slot, (step, at) in enumerate([(1, 0.0), (2, 5.0), (4, 1.0), (3, 6.5)]):
        put(memory, 1, slot, step=step, value=at)
    assert distance_to_older(memory.embedding[1:], memory.step[1:]).tolist() == [[math.inf, 25.0, 1.0, 2.25]]
    put(memory, 0, 0)
    assert slot_to_write(memory, torch.tensor([0, 1]), "similar").tolist() == [1, 2]  # a free one, the third


def test_a_slot_is_closed_once():
    memory = empty(2, 2, 1, 1)
    first = torch.tensor([0])
    put(memory, 0, 0, paid=1.0)
    put(memory, 1, 0, paid=1.0)
    close(memory, first, torch.tensor([4.0]))
    put(memory, 0, 1, paid=4.0)
    close(memory, first, torch.tensor([4.5]))
    close(memory, first, torch.tensor([9.0]))
    assert memory.earned[0].tolist() == [3.0, 0.5] and memory.earned[1, 0].isnan()


def test_write_rules():
    seen = torch.tensor([[7, 9], [7, 9]])
    written = torch.tensor([[True, False], [True, True]])
    arguments = torch.tensor([9, 9]), seen, written
    assert WRITE_RULES["novel"](*arguments).tolist() == [True, False]  # the first 9 stands in an empty slot
    assert WRITE_RULES["always"](*arguments).tolist() == [True, True]


def test_only_rules_that_write_nothing_new_while_nothing_changes_allow_action_repeat():
    """A code that has just been written is not written again."""
    for name, rule in WRITE_RULES.items():
        again = rule(torch.tensor([5]), torch.tensor([[5, 0]]), torch.tensor([[True, False]]))
        assert (name in CHANGES_ONLY) == (not again.item())


def test_bytes_of_a_slot_are_counted_field_by_field():
    memory = empty(1, 2, width=16, code_bytes=37)
    assert bytes_per_slot(memory) == 16 * 4 + 37 + 8 + 4 + 4 + 4 + 1 + 2 + 4 + 2 + 4 + 4 + 4
    kept = empty(1, 2, 16, 37, observation=torch.zeros(7, 7, 3, dtype=torch.uint8))
    assert bytes_per_slot(kept) == bytes_per_slot(memory) + 147


def test_a_clone_shares_nothing():
    memory = empty(1, 2, 4, 1)
    copy = memory.clone()
    put(memory, 0, 0)
    assert not copy.written.any() and not copy.embedding.any()
