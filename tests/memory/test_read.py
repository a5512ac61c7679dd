"""Attention over slots against a naive loop; unwritten slots are never read."""

import torch

from memory.read import SCORE_CAP, attend


def naive(query, slots, address, visible, null_key, null_value):
    B, P, H, D = query.shape
    out = torch.zeros(B, P, H, D)
    for b in range(B):
        for p in range(P):
            for h in range(H):
                q = query[b, p, h]
                entries = [(q @ null_key[h], null_value[h])]
                entries += [
                    (q @ (slots[b, s] + address[b, s]), slots[b, s]) for s in range(slots.shape[1]) if visible[b, p, s]
                ]
                scores = torch.stack([e[0] for e in entries]) / D**0.5
                weights = torch.softmax(SCORE_CAP * torch.tanh(scores / SCORE_CAP), dim=0)
                out[b, p, h] = sum(w * e[1] for w, e in zip(weights, entries, strict=True))
    return out


def arguments(seed=0):
    g = torch.Generator().manual_seed(seed)
    query, slots, address = (torch.randn(*s, generator=g) for s in ((2, 3, 2, 4), (2, 5, 4), (2, 5, 4)))
    visible = torch.rand(2, 3, 5, generator=g) < 0.5
    null_key, null_value = torch.randn(2, 4, generator=g), torch.randn(2, 4, generator=g)
    return query, slots, address, visible, null_key, null_value


def test_agrees_with_a_naive_loop():
    a = arguments()
    read, weights = attend(*a)
    torch.testing.assert_close(read, naive(*a))
    assert (weights.sum(-1) < 1).all()  # the null slot has the rest
    assert (weights[~a[3][:, :, None].expand_as(weights)] == 0).all()


def test_what_no_query_may_see_may_hold_anything():
    query, slots, address, visible, *null = arguments()
    visible[0, :, 2] = False
    expected, _ = attend(query, slots, address, visible, *null)
    slots[0, 2] = torch.nan
    read, _ = attend(query, slots, address, visible, *null)
    torch.testing.assert_close(read, expected)


def test_a_read_of_a_slot_that_holds_nan_is_loud():
    query, slots, address, visible, *null = arguments()
    visible[0, 1, 2] = True
    slots[0, 2] = torch.nan
    assert attend(query, slots, address, visible, *null)[0][0, 1].isnan().any()


def test_an_empty_memory_reads_the_null_value():
    query, slots, address, visible, null_key, null_value = arguments()
    read, weights = attend(query, slots, address, torch.zeros_like(visible), null_key, null_value)
    torch.testing.assert_close(read, null_value.expand_as(read))
    assert not weights.any()
