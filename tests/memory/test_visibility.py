"""Which slot is visible when, by boundary tables and against a store kept step by step."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reinstate.memory.visibility import EMPTY, Visibility


def test_a_slot_is_visible_from_its_own_step_until_its_place_is_taken_again():
    """Two environments of two places; rows 0..3 are the slots before the rollout, 4.. its writes in order."""
    both = torch.tensor([0, 1])
    visibility = Visibility.begin(torch.tensor([[True, False], [False, False]]))
    visibility.record_read(both)
    visibility.record_write(both, torch.tensor([1, 0]))
    visibility.record_read(both)
    visibility.record_write(torch.tensor([0]), torch.tensor([0]))  # place 0 was taken
    visibility.record_read(torch.tensor([1]))  # environment 0 repeats its action
    visibility.record_read(both)
    assert visibility.rows.tolist() == [[0, EMPTY], [EMPTY, EMPTY], [0, 4], [5, EMPTY], [5, EMPTY], [6, 4], [5, EMPTY]]


def test_a_reset_hides_older_slots_from_its_own_step_on():
    only = torch.tensor([0])
    visibility = Visibility.begin(torch.tensor([[True, False]]))
    visibility.record_write(only, torch.tensor([1]))
    visibility.record_read(only)
    visibility.record_reset(only)  # the episode begins and writes in the same step
    visibility.record_write(only, torch.tensor([0]))
    visibility.record_read(only)
    visibility.record_reset(only)  # and again, without a write
    visibility.record_read(only)
    assert visibility.rows.tolist() == [[0, 2], [3, EMPTY], [EMPTY, EMPTY]]


@settings(max_examples=60)
@given(
    steps=st.lists(st.tuples(st.booleans(), st.one_of(st.none(), st.integers(0, 2))), min_size=1, max_size=12),
    before=st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_the_visibility_agrees_with_a_store_kept_step_by_step(steps, before):
    store = {i: f"old{i}" for i, there in enumerate(before) if there}
    names = {i: f"old{i}" for i in range(3)}
    visibility = Visibility.begin(torch.tensor([before]))
    for t, (reset, slot) in enumerate(steps):
        if reset:
            store.clear()
            visibility.record_reset(torch.tensor([0]))
        if slot is not None:
            names[len(names)] = store[slot] = f"new{t}"
            visibility.record_write(torch.tensor([0]), torch.tensor([slot]))
        visibility.record_read(torch.tensor([0]))
        rows = visibility.rows[t].tolist()
        assert {place: names[row] for place, row in enumerate(rows) if row != EMPTY} == store


def test_its_state_goes_on_from_the_middle_of_a_rollout():
    """What is loaded shares nothing with what was saved."""
    both, one = torch.tensor([0, 1]), torch.tensor([1])
    visibility = Visibility.begin(torch.tensor([[True, False], [False, True]]))
    visibility.record_write(both, torch.tensor([1, 0]))
    visibility.record_read(both)
    again = Visibility.begin(torch.zeros(2, 2, dtype=torch.bool))
    again.load_state_dict(visibility.state_dict())
    again.record_reset(both)
    assert visibility.now.tolist() == [[0, 4], [5, 3]]
    again.load_state_dict(visibility.state_dict())
    for v in (again, visibility):
        v.record_reset(one)
        v.record_write(one, torch.tensor([0]))
        v.record_read(both)
    assert torch.equal(again.rows, visibility.rows)
    assert visibility.rows.tolist() == [[0, 4], [5, 3], [0, 4], [6, EMPTY]]
