"""Finished episodes' slots: the buffer, what lies between slots, and what was visible then."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reinstate.memory.episodes import EpisodeBuffer, Episodes, events, older_slots, visible_then
from reinstate.memory.slots import empty, write


def put(memory, env, place, **values):
    write(memory, torch.tensor([env]), torch.tensor([place]), **values)


def two_episodes():
    """Three places. Episode 0 wrote at steps 0, 4, 7, the last in place 0 (its first slot was evicted), and terminated
    after 9 steps with 5 in all; episode 1 wrote at step 0 alone and was cut after 6 steps with 1."""
    memory = empty(2, 3, width=2, code_bytes=1)
    put(memory, 0, 1, step=4, paid=1.0)
    put(memory, 0, 2, step=5, paid=1.0)
    put(memory, 0, 0, step=7, paid=3.0)
    put(memory, 1, 0, step=0, paid=0.0)
    return Episodes(memory, torch.tensor([5.0, 1.0]), torch.tensor([9, 6]), torch.tensor([True, False]))


def test_events_are_in_order_of_time_with_exact_sums_between_them():
    drawn = two_episodes()
    e = events(drawn, drawn.memory.written)
    assert e.episode.tolist() == [0, 0, 0, 1]
    assert e.slot.tolist() == [1, 2, 0, 0]
    assert e.reward.tolist() == [0.0, 2.0, 2.0, 1.0]
    assert e.duration.tolist() == [1.0, 2.0, 2.0, 6.0]
    assert e.follow.tolist() == [1, 2, -1, -1]
    assert e.terminal.tolist() == [False, False, True, False]


def test_what_is_left_out_belongs_to_the_event_before():
    drawn = two_episodes()
    may = drawn.memory.written.clone()
    may[0, 2] = False
    e = events(drawn, may)
    assert e.slot.tolist() == [1, 0, 0]
    assert e.reward.tolist() == [2.0, 2.0, 1.0] and e.duration.tolist() == [3.0, 2.0, 6.0]
    assert e.follow.tolist() == [1, -1, -1]


def test_an_event_sees_itself_and_what_was_written_before():
    drawn = two_episodes()
    e = events(drawn, drawn.memory.written)
    assert visible_then(drawn.memory, e).tolist() == [
        [False, True, False],
        [False, True, True],
        [True, True, True],
        [True, False, False],
    ]


def test_older_slots_are_those_written_before():
    drawn = two_episodes()
    f, t = False, True
    older = older_slots(drawn.memory, events(drawn, drawn.memory.written))
    assert older.tolist() == [[f, f, f], [f, t, f], [f, t, t], [f, f, f]]


def test_no_events():
    drawn = two_episodes()
    e = events(drawn, torch.zeros_like(drawn.memory.written))
    assert len(e.reward) == 0 and visible_then(drawn.memory, e).shape == (0, 3)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**31))
def test_rewards_and_steps_between_events_add_up(num, places, seed):
    """To what the episode paid, and lasted, from its first event on."""
    g = torch.Generator().manual_seed(seed)
    memory = empty(num, places, width=1, code_bytes=1)
    memory.written = torch.rand(num, places, generator=g) < 0.7
    memory.step = torch.stack([torch.randperm(20, generator=g)[:places] for _ in range(num)]).int()
    memory.paid = memory.step * 0.5
    total, length = torch.rand(num, generator=g) * 10, torch.full((num,), 25)
    e = events(Episodes(memory, total, length, torch.zeros(num, dtype=torch.bool)), memory.written)
    for i in range(num):
        mine = e.episode == i
        if memory.written[i].any():
            first = int(memory.step[i][memory.written[i]].min())
            assert float(e.reward[mine].sum()) == pytest.approx(float(total[i]) - 0.5 * first, abs=1e-4)
            assert float(e.duration[mine].sum()) == 25 - first
        else:
            assert not mine.any()


def buffer_of(capacity):
    return EpisodeBuffer(capacity, empty(1, 2, width=2, code_bytes=1))


def numbered(numbers):
    """Episodes that can be told apart: the first argument of `add`, and the others."""
    memory = empty(len(numbers), 2, width=2, code_bytes=1)
    memory.step[:] = numbers[:, None]
    return memory, numbers.double(), numbers, numbers % 2 == 0


@given(st.integers(1, 6), st.lists(st.integers(0, 4), max_size=8), st.integers(0, 8))
def test_the_buffer_keeps_the_last_episodes(capacity, sizes, saved_after):
    """Saved and loaded into a fresh one on the way, it goes on as a naive list does."""
    buffer, expected, number = buffer_of(capacity), [], 0
    for i, n in enumerate(sizes):
        if i == saved_after:
            again = buffer_of(capacity)
            again.load_state_dict(buffer.state_dict())
            buffer = again
        numbers = torch.arange(number, number + n)
        number += n
        buffer.add(*numbered(numbers))
        expected = (expected + numbers.tolist())[-capacity:]
    assert buffer.size == len(expected)
    if not expected:
        return
    even, g = torch.ones(buffer.size), torch.Generator().manual_seed(0)
    drawn = buffer.sample(100, g, even)
    assert sorted(drawn.length.tolist()) == expected
    assert torch.equal(drawn.memory.step[:, 0], drawn.length.int())
    assert torch.equal(drawn.total.long(), drawn.length) and torch.equal(drawn.terminated, drawn.length % 2 == 0)
    assert not drawn.memory.earned.isnan().any()
    few = buffer.sample(2, g, even)
    assert len(set(few.length.tolist())) == len(few.length) == min(2, len(expected))


def test_the_last_slot_of_an_episode_earns_what_was_paid_until_its_end():
    drawn = two_episodes()
    buffer = EpisodeBuffer(2, drawn.memory)
    buffer.add(drawn.memory, drawn.total.double(), drawn.length, drawn.terminated)
    assert buffer.episodes.memory.earned[1].tolist() == [1.0, 0.0, 0.0]


def test_episodes_are_drawn_by_their_share():
    """Of three, the last is drawn four times as often as each of the others."""
    buffer = buffer_of(4)
    buffer.add(*numbered(torch.arange(3)))
    g = torch.Generator().manual_seed(0)
    drawn = torch.cat([buffer.sample(1, g, torch.tensor([1.0, 1.0, 4.0])).length for _ in range(3_000)])
    assert (drawn.bincount() / 3_000).tolist() == pytest.approx([1 / 6, 1 / 6, 2 / 3], abs=0.03)
