"""Which slot is visible when, by boundary tables; write rules; eviction; bytes."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reinstate.memory.store import bytes_per_slot, clear, distance_to_older, empty, settle, slot_to_write, write
from reinstate.memory.timeline import EMPTY, Timeline
from reinstate.memory.write_rules import should_write


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


def test_a_slot_is_visible_from_its_own_step_until_its_place_is_taken_again():
    """Two environments of two places; rows 0..3 are the slots before the chunk, 4.. its writes in order."""
    both = torch.tensor([0, 1])
    timeline = Timeline.begin(torch.tensor([[True, False], [False, False]]))
    timeline.record_read(both)
    timeline.record_write(both, torch.tensor([1, 0]))
    timeline.record_read(both)
    timeline.record_write(torch.tensor([0]), torch.tensor([0]))  # place 0 was taken
    timeline.record_read(torch.tensor([1]))  # environment 0 holds its action
    timeline.record_read(both)
    assert timeline.rows.tolist() == [[0, EMPTY], [EMPTY, EMPTY], [0, 4], [5, EMPTY], [5, EMPTY], [6, 4], [5, EMPTY]]


def test_a_reset_hides_older_slots_from_its_own_step_on():
    only = torch.tensor([0])
    timeline = Timeline.begin(torch.tensor([[True, False]]))
    timeline.record_write(only, torch.tensor([1]))
    timeline.record_read(only)
    timeline.record_reset(only)  # the episode begins and writes in the same step
    timeline.record_write(only, torch.tensor([0]))
    timeline.record_read(only)
    timeline.record_reset(only)  # and again, without a write
    timeline.record_read(only)
    assert timeline.rows.tolist() == [[0, 2], [3, EMPTY], [EMPTY, EMPTY]]


@settings(max_examples=60)
@given(
    steps=st.lists(st.tuples(st.booleans(), st.one_of(st.none(), st.integers(0, 2))), min_size=1, max_size=12),
    before=st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_the_timeline_agrees_with_a_store_kept_step_by_step(steps, before):
    store = {i: f"old{i}" for i, there in enumerate(before) if there}
    names = {i: f"old{i}" for i in range(3)}
    timeline = Timeline.begin(torch.tensor([before]))
    for t, (reset, slot) in enumerate(steps):
        if reset:
            store.clear()
            timeline.record_reset(torch.tensor([0]))
        if slot is not None:
            names[len(names)] = store[slot] = f"new{t}"
            timeline.record_write(torch.tensor([0]), torch.tensor([slot]))
        timeline.record_read(torch.tensor([0]))
        rows = timeline.rows[t].tolist()
        assert {place: names[row] for place, row in enumerate(rows) if row != EMPTY} == store


def test_clear_empties_only_the_environments_whose_episode_begins():
    memory = empty(2, 3, 4, 1)
    put(memory, 0, 0)
    put(memory, 1, 0, step=6)
    memory.read_weight[:] = 1.0
    clear(memory, torch.tensor([0]))
    assert memory.written.tolist() == [[False] * 3, [True, False, False]]
    assert memory.read_weight.tolist() == [[0.0] * 3, [1.0] * 3]


def test_free_slots_come_first_then_the_oldest_or_the_least_read():
    memory = empty(1, 3, 4, 1)
    index, now = torch.tensor([0]), torch.tensor([10])
    for slot, step in ((0, 5), (1, 2)):
        put(memory, 0, slot, step)
    assert slot_to_write(memory, index, now, "fifo").item() == 2
    put(memory, 0, 2, 9)
    memory.read_weight[0] = torch.tensor([0.1, 8.0, 0.5])  # per step of life: 0.02, 1.0, 0.5
    assert slot_to_write(memory, index, now, "fifo").item() == 1
    assert slot_to_write(memory, index, now, "least_read").item() == 0
    with pytest.raises(ValueError, match="eviction"):
        slot_to_write(memory, index, now, "random")


def test_the_most_like_an_older_one_makes_room():
    """On a line at 0, 5, 1, 6.5, written in that order but for the last two: the third is 1 from the first."""
    memory = empty(2, 4, 1, 1)
    for slot, (step, at) in enumerate([(1, 0.0), (2, 5.0), (4, 1.0), (3, 6.5)]):
        put(memory, 1, slot, step=step, value=at)
    assert distance_to_older(memory.embedding[1:], memory.step[1:]).tolist() == [[math.inf, 25.0, 1.0, 2.25]]
    put(memory, 0, 0)
    index, now = torch.tensor([0, 1]), torch.tensor([9, 9])
    assert slot_to_write(memory, index, now, "similar").tolist() == [1, 2]  # a free one, the third


def test_what_a_slot_earned_is_settled_once():
    memory = empty(2, 2, 1, 1)
    first = torch.tensor([0])
    put(memory, 0, 0, paid=1.0)
    put(memory, 1, 0, paid=1.0)
    settle(memory, first, torch.tensor([4.0]))
    put(memory, 0, 1, paid=4.0)
    settle(memory, first, torch.tensor([4.5]))
    settle(memory, first, torch.tensor([9.0]))
    assert memory.earned[0].tolist() == [3.0, 0.5] and memory.earned[1, 0].isnan()


def test_write_rules():
    seen = torch.tensor([[7, 9], [7, 9]])
    written = torch.tensor([[True, False], [True, True]])
    arguments = (torch.tensor([9, 9]), seen, written, torch.tensor([3, 4]), 4)
    assert should_write("novel", *arguments).tolist() == [True, False]  # the first 9 stands in an empty slot
    assert should_write("always", *arguments).tolist() == [True, True]
    assert should_write("every_k", *arguments).tolist() == [False, True]
    with pytest.raises(ValueError, match="write rule"):
        should_write("never", *arguments)


def test_bytes_of_a_slot_are_counted_field_by_field():
    memory = empty(1, 2, width=16, code_bytes=37)
    assert bytes_per_slot(memory) == 16 * 4 + 37 + 8 + 4 + 4 + 4 + 4 + 1 + 2 + 4 + 2 + 4 + 4 + 4
    kept = empty(1, 2, 16, 37, observation=torch.zeros(7, 7, 3, dtype=torch.uint8))
    assert bytes_per_slot(kept) == bytes_per_slot(memory) + 147


def test_a_clone_shares_nothing():
    memory = empty(1, 2, 4, 1)
    copy = memory.clone()
    put(memory, 0, 0)
    assert not copy.written.any() and not copy.embedding.any()
