"""Attention over slots against a naive loop; unwritten slots are never read."""

import torch

from reinstate.memory.read import SCORE_CAP, attend, places_in_use


def naive(query, slots, address, visible, null_key, null_value):
    n, H, D = query.shape
    out = torch.zeros(n, H, D)
    for i in range(n):
        for h in range(H):
            q = query[i, h]
            entries = [(q @ null_key[h], null_value[h])]
            entries += [(q @ (slots[i, s] + address[s]), slots[i, s]) for s in range(slots.shape[1]) if visible[i, s]]
            scores = torch.stack([e[0] for e in entries]) / D**0.5
            weights = torch.softmax(SCORE_CAP * torch.tanh(scores / SCORE_CAP), dim=0)
            out[i, h] = sum(w * e[1] for w, e in zip(weights, entries, strict=True))
    return out


def arguments(seed=0):
    g = torch.Generator().manual_seed(seed)
    query, slots, address = (torch.randn(*s, generator=g) for s in ((6, 2, 4), (6, 5, 4), (5, 4)))
    visible = torch.rand(6, 5, generator=g) < 0.5
    null_key, null_value = torch.randn(2, 4, generator=g), torch.randn(2, 4, generator=g)
    return query, slots, address, visible, null_key, null_value


def test_agrees_with_a_naive_loop():
    a = arguments()
    read, weights = attend(*a)
    torch.testing.assert_close(read, naive(*a))
    assert (weights.sum(-1) < 1).all()  # the null slot has the rest
    assert (weights[~a[3][:, None].expand_as(weights)] == 0).all()


def test_what_may_not_be_seen_may_hold_anything():
    query, slots, address, visible, *null = arguments()
    visible[0, 2] = False
    expected, _ = attend(query, slots, address, visible, *null)
    slots[0, 2] = torch.nan
    read, _ = attend(query, slots, address, visible, *null)
    torch.testing.assert_close(read, expected)


def test_a_read_of_a_slot_that_holds_nan_is_loud():
    query, slots, address, visible, *null = arguments()
    visible[0, 2] = True
    slots[0, 2] = torch.nan
    assert attend(query, slots, address, visible, *null)[0][0].isnan().any()


def test_an_empty_memory_reads_the_null_value():
    query, slots, address, visible, null_key, null_value = arguments()
    read, weights = attend(query, slots, address, torch.zeros_like(visible), null_key, null_value)
    torch.testing.assert_close(read, null_value.expand_as(read))
    assert not weights.any()


def test_places_in_use_reach_to_the_last_one_that_anything_sees():
    visible = torch.tensor([[True, False, False, False], [False, False, True, False]])
    assert places_in_use(visible) == 3
    assert places_in_use(visible[:0]) == places_in_use(torch.zeros(2, 4, dtype=torch.bool)) == 1
