"""Transport and synthetic returns, on episodes made by hand."""

import pytest
import torch

from reinstate.memory.credit import (
    SPREAD,
    STRONG_READ,
    TRANSPORTED,
    SyntheticReturns,
    explanation_loss,
    older_slots,
    transport,
)
from reinstate.memory.episodes import Episodes, events, visible_then
from reinstate.memory.store import empty, write


def written_at(*steps):
    """Episodes whose slots were written at these steps, one list for each; they end unpaid after 100 steps."""
    M, N = len(steps), max(map(len, steps))
    memory = empty(M, N, width=2, code_bytes=1)
    for env, times in enumerate(steps):
        for place, time in enumerate(times):
            write(memory, torch.tensor([env]), torch.tensor([place]), step=time)
    episodes = Episodes(memory, torch.zeros(M), torch.full((M,), 100), torch.ones(M, dtype=torch.bool))
    return episodes, events(episodes, memory.written)


def carried(steps, weight, after, horizon):
    episodes, e = written_at(*steps)
    visible = visible_then(episodes.memory, e)
    got = transport(torch.tensor(weight), visible, torch.tensor(after), e, episodes.memory.step, horizon)
    return got.tolist()


def test_a_hard_look_carries_value_back_to_what_it_looked_at():
    """The event at 90 looks at the slot of step 5 with 0.6, of four things that it sees (null slot included): 2.4 times
    an even look. What comes after it is worth 10."""
    weight = [[0.2, 0.0, 0.0], [0.1, 0.1, 0.0], [0.6, 0.1, 0.1]]
    assert carried([[5, 50, 90]], weight, [1.0, 2.0, 10.0], 30) == pytest.approx([TRANSPORTED * 0.6 * 10, 0.0, 0.0])


@pytest.mark.parametrize(
    ("horizon", "reaches"),
    [(84, True), (85, False), (86, False)],  # the look goes 85 steps back; what the discount reaches is left to it
)
def test_only_beyond_the_horizon(horizon, reaches):
    weight = [[0.2, 0.0], [0.9, 0.0]]
    assert (carried([[5, 90]], weight, [0.0, 1.0], horizon)[0] > 0) == reaches


@pytest.mark.parametrize(("weight", "reaches"), [(STRONG_READ / 3 + 1e-4, True), (STRONG_READ / 3 - 1e-4, False)])
def test_only_a_hard_look(weight, reaches):
    """The last event sees two slots and the null slot: an even look has a weight of 1 / 3."""
    assert (carried([[5, 90]], [[0.2, 0.0], [weight, 0.0]], [0.0, 1.0], 10)[0] > 0) == reaches


def test_of_an_episodes_looks_at_a_slot_the_hardest_counts():
    """The events at 60 (0.9 of 3 things: 2.7 even looks) and 90 (0.7 of 4: 2.8) look at the first slot. The other
    episode is its own."""
    weight = [[0.0] * 3, [0.9, 0.0, 0.0], [0.7, 0.0, 0.0], [0.0] * 3, [0.8, 0.0, 0.0]]
    got = carried([[5, 60, 90], [0, 70]], weight, [9.0, 1.0, 2.0, 9.0, -3.0], 10)
    assert got == pytest.approx([TRANSPORTED * 0.7 * 2, 0, 0, TRANSPORTED * 0.8 * -3, 0])


def test_older_slots_are_those_written_before():
    episodes, e = written_at([5, 50, 90], [7])
    f, t = False, True
    assert older_slots(episodes.memory, e).tolist() == [[f, f, f], [t, f, f], [t, t, f], [f, f, f]]


def test_expected_reward_against_a_naive_sum():
    torch.manual_seed(0)
    episodes, e = written_at([5, 50, 90], [7, 8])
    net, embedding = SyntheticReturns(2), torch.randn(2, 3, 2)
    torch.nn.init.normal_(net.contribution[-1].weight)
    torch.nn.init.normal_(net.baseline[-1].weight)
    got = net(embedding, older_slots(episodes.memory, e), e)
    order = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    for i, (m, s) in enumerate(order):
        past = sum(float(net.contribution(embedding[m, k]).detach()) for k in range(s))
        gate = torch.sigmoid(net.gate(embedding[m, s]))
        assert float(got[i].detach()) == pytest.approx(
            float((gate * past + net.baseline(embedding[m, s])).detach()), abs=1e-5
        )


def test_nothing_is_paid_before_something_is_known():
    assert SyntheticReturns(4).returns(torch.randn(5, 4)).tolist() == [0.0] * 5


def test_an_explanation_by_one_slot_is_cheaper_than_by_all():
    zero, one = torch.zeros(4), torch.tensor([0.0, 0.0, 0.0, 1.0])
    assert explanation_loss(one, zero, zero).tolist() == [0.0, 0.0, 0.0, 0.5]
    assert explanation_loss(4 * one, zero, zero).tolist() == [0.0, 0.0, 0.0, 3.5]  # and no 8
    assert explanation_loss(zero, zero, one).tolist() == [0.0, 0.0, 0.0, pytest.approx(SPREAD)]
    # A gate of 0.1 with returns of 10 / 3 for three slots expects the same as an open one with a return of 1.
    assert explanation_loss(one, one, 10 / 3 * (1 - one)).sum() > explanation_loss(one, one, one.roll(1)).sum()


def test_synthetic_returns_find_the_slot_that_brings_a_late_reward():
    """A made-up world: the first thing seen is a key (+1 in the first component) or nothing, then three things without
    meaning, then a door, at which 1 is paid to those who saw the key. Learnt, the key's synthetic return is the
    reward's worth and nobody else's is."""
    g = torch.Generator().manual_seed(0)
    M, N = 256, 5
    torch.manual_seed(0)
    episodes, e = written_at(*[[0, 10, 20, 30, 90]] * M)
    key = torch.rand(M, generator=g) < 0.5
    embedding = torch.randn(M, N, 4, generator=g) * 0.1
    embedding[key, 0, 0] += 1.0
    embedding[:, 4, 1] += 1.0
    reward = torch.zeros(M, N)
    reward[:, 4] = key.float()
    net = SyntheticReturns(4)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    before = older_slots(episodes.memory, e)
    for _ in range(300):
        loss = (net(embedding, before, e) - reward.flatten()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.01
    with torch.no_grad():
        paid = net.returns(embedding)
        opened = torch.sigmoid(net.gate(embedding[:, 4])).mean()
    others = torch.cat([paid[~key, 0], paid[:, 1:].flatten()])
    assert float(paid[key, 0].mean() - others.mean()) * float(opened) == pytest.approx(1.0, abs=0.1)
