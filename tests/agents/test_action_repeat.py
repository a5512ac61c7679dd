"""When the agent decides: at once where something changed, else after growing intervals."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reinstate.agents.action_repeat import ActionRepeat, as_bytes, rows_differ


@settings(max_examples=50)
@given(
    growth=st.floats(1.0, 5.0),
    changes=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=60),
)
def test_what_changed_is_decided_at_once_and_gaps_grow(growth, changes):
    repeat = ActionRepeat.begin(3, growth)
    for changed in changes:
        deciding = repeat.deciding()
        repeat.decided(deciding)
        gap = repeat.due - repeat.age
        assert (gap >= 1).all() and (gap <= np.ceil(growth * (repeat.age + 1)) - repeat.age).all()
        repeat.advance(np.array(changed), np.zeros(3, dtype=bool))
        assert set(np.flatnonzero(changed)) <= set(repeat.deciding())


def test_a_change_of_the_own_action_alone_leads_to_a_few_decisions():
    """Growth 2: decisions of one that alternates, of one that repeats itself, and of one for which something else
    changes at step 7, by hand. Four decisions, then 2, 6, 14 steps after the last of them; a change starts anew."""
    repeat = ActionRepeat.begin(3, 2.0)
    decided = [[], [], []]
    for step in range(22):
        deciding = repeat.deciding()
        for b in deciding:
            decided[b].append(step)
        repeat.decided(deciding)
        alternates = np.isin(np.arange(3), deciding)  # each decision is for another action than the last
        acted = alternates & np.array([True, False, True])
        repeat.advance(np.array([False, False, step == 6]), acted)
    assert decided[0] == [0, 1, 2, 3, 4, 6, 10, 18]
    assert decided[1] == [0, 2, 6, 14]
    assert decided[2] == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 13, 17]


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.booleans()), min_size=1, max_size=9),
    st.sampled_from(["uint8", "float32", "int64"]),
)
def test_rows_differ_against_numpy(rows, dtype):
    """Rows that differed before stay so."""
    a, b, before = (np.array(column) for column in zip(*rows, strict=True))
    a, b = (np.stack([np.ones(len(x)), x], axis=1).astype(dtype)[:, None] for x in (a, b))
    out = before.copy()
    rows_differ(as_bytes(a), as_bytes(b), out)
    assert out.tolist() == (before | (a != b).any(axis=(1, 2))).tolist()
