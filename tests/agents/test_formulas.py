"""Losses and advantages against arrays worked out by hand, and naive loops."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents.advantages import gae
from agents.heads import choose, soft_cap
from agents.losses import approximate_kl, clipped_policy_loss, entropy, explained_variance, value_loss
from agents.replay import pick_states, spread


def column(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype)[:, None]


def test_gae_by_hand():
    """gamma 0.5, lambda 0.5; terminated at step 1, truncated at step 3 (final value 8)."""
    advantage = gae(
        reward=column(1.0, 2.0, 3.0, 4.0, 5.0),
        value=column(2.0, 4.0, 6.0, 8.0, 10.0),
        last_value=torch.tensor([12.0]),
        terminated=column(False, True, False, False, False, dtype=torch.bool),
        truncated=column(False, False, False, True, False, dtype=torch.bool),
        final_value=column(0.0, 0.0, 0.0, 8.0, 0.0),
        gamma=0.5,
        lam=0.5,
    )
    # deltas: 1+2-2=1, 2-4=-2, 3+4-6=1, 4+4-8=0, 5+6-10=1
    assert advantage[:, 0].tolist() == [1 + 0.25 * -2, -2.0, 1.0, 0.0, 1.0]


@given(st.integers(1, 8), st.integers(1, 3), st.integers(0, 2**31))
def test_gae_agrees_with_a_naive_sum(steps, envs, seed):
    g = torch.Generator().manual_seed(seed)
    reward, value, final = (torch.randn(steps, envs, generator=g, dtype=torch.float64) for _ in range(3))
    last = torch.randn(envs, generator=g, dtype=torch.float64)
    kind = torch.randint(0, 5, (steps, envs), generator=g)
    terminated, truncated = kind == 0, kind == 1
    ours = gae(reward, value, last, terminated, truncated, final, 0.9, 0.8)
    for b in range(envs):
        for t in range(steps):
            total, discount = 0.0, 1.0
            for k in range(t, steps):
                following = value[k + 1, b] if k + 1 < steps else last[b]
                if terminated[k, b]:
                    following = 0.0
                elif truncated[k, b]:
                    following = final[k, b]
                total += discount * (reward[k, b] + 0.9 * following - value[k, b])
                if kind[k, b] <= 1:
                    break
                discount *= 0.9 * 0.8
            assert ours[t, b] == pytest.approx(float(total), abs=1e-9)


def test_policy_loss_is_clipped_on_the_side_that_would_go_further():
    ratio = torch.tensor([1.5, 1.5, 0.5, 0.5, 1.0])
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0, 2.0])
    loss = clipped_policy_loss(ratio.log(), torch.zeros(5), advantage, 0.2)
    torch.testing.assert_close(loss, torch.tensor([-1.2, 1.5, -0.5, 0.8, -2.0]))


def test_small_formulas():
    assert value_loss(torch.tensor([3.0]), torch.tensor([1.0])).item() == 2.0
    assert entropy(torch.zeros(1, 4)).item() == pytest.approx(math.log(4))
    assert approximate_kl(torch.tensor([0.0]), torch.tensor([0.0])).item() == 0.0
    assert approximate_kl(torch.tensor([0.3]), torch.tensor([0.0])).item() == pytest.approx(
        math.exp(0.3) - 1.3, rel=1e-4
    )
    assert explained_variance(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0])) == 1.0
    assert math.isnan(explained_variance(torch.tensor([1.0, 2.0]), torch.ones(2)))
    assert soft_cap(torch.tensor([1e6, -1e6]), 4.0).tolist() == [4.0, -4.0]


def test_choose_samples_by_probability_and_greedily_the_largest():
    logits = torch.tensor([0.0, math.log(3.0)]).expand(20000, 2)
    action, log_prob = choose(logits, torch.Generator().manual_seed(0))
    assert action.float().mean().item() == pytest.approx(0.75, abs=0.01)
    torch.testing.assert_close(log_prob.exp(), torch.where(action == 1, 0.75, 0.25))
    assert (choose(logits, None)[0] == 1).all()


def test_every_step_gets_the_outcome_of_the_state_it_was_in():
    changed = torch.tensor([[1, 1], [0, 1], [1, 0], [0, 0]]).bool()  # [T, B]
    picked = torch.tensor([0, 1, 3, 4])  # t * 2 + b
    outcome = torch.tensor([10.0, 20.0, 21.0, 12.0])
    full, weight = spread(changed, picked, outcome)
    assert full.tolist() == [[10, 20], [10, 21], [12, 21], [12, 21]]
    assert weight.flatten().tolist() == [1 / 8] * 8
    _, weight = spread(changed, picked[:2], outcome[:2])  # the second state of each was left out
    assert (weight > 0).tolist() == [[True, True], [True, False], [False, False], [False, False]]
    assert weight.sum() == 1


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 12), st.integers(0, 2**31))
def test_picked_states_are_states(steps, envs, most, seed):
    g = torch.Generator().manual_seed(seed)
    changed = torch.rand(steps, envs, generator=g) < 0.5
    changed[0] = True
    picked = pick_states(changed, most, g)
    assert len(set(picked.tolist())) == len(picked) == min(most, int(changed.sum()))
    assert changed.flatten()[picked].all()
