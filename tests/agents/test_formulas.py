"""Losses and advantages against arrays worked out by hand, and naive loops."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reinstate.agents.extensions.imitation import imitation_loss
from reinstate.agents.heads import ActorCriticHeads, choose, elapsed, soft_cap
from reinstate.agents.losses import (
    SMALLEST_SCALE,
    approximate_kl,
    clipped_policy_loss,
    entropy,
    explained_variance,
    scale_loss,
    value_loss,
)
from reinstate.agents.returns import AverageReward, discount, discounted_steps, gae, relative_advantages
from reinstate.agents.statistics import EPISODES, SMALLEST_STD, EpisodeLength, RewardRate, RunningMoments


def array(*values):
    return np.array(values, dtype=np.float32)


def test_gae_by_hand():
    """gamma 0.5, lambda 0.5. Decisions 0, 2, 4 are of one environment, which terminates with 2; 1 and 3 of another, cut
    at 3 with V(final observation) 8. What follows on 4 is worth 12, and is not in the rollout."""
    advantage = gae(
        reward=array(1.0, 3.0, 2.0, 4.0, 5.0),
        value=array(2.0, 6.0, 4.0, 8.0, 10.0),
        next_value=array(4.0, 8.0, 0.0, 8.0, 12.0),
        follow=np.array([2, 3, -1, -1, -1]),
        gamma=array(0.5, 0.5, 0.5, 0.5, 0.5),
        lam=array(0.5, 0.5, 0.5, 0.5, 0.5),
    )
    # deltas: 1+2-2=1, 3+4-6=1, 2-4=-2, 4+4-8=0, 5+6-10=1
    assert advantage.tolist() == [1 + 0.25 * -2, 1.0, -2.0, 0.0, 1.0]


@settings(max_examples=50)
@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 2**31))
def test_gae_agrees_with_a_naive_sum(count, num_envs, seed):
    """Decisions of several environments in any order; an episode goes on with probability 0.8."""
    rng = np.random.default_rng(seed)
    reward, value, following = rng.normal(size=(3, count))
    env = rng.integers(num_envs, size=count)
    follow = np.full(count, -1)
    for i in range(count):
        later = [j for j in range(i + 1, count) if env[j] == env[i]]
        if later and rng.random() < 0.8:
            follow[i], following[i] = later[0], value[later[0]]
    gamma, lam = rng.uniform(size=(2, count))
    ours = gae(reward, value, following, follow, gamma, lam)
    for i in range(count):
        total, weight, k = 0.0, 1.0, i
        while k >= 0:
            total += weight * (reward[k] + gamma[k] * following[k] - value[k])
            weight *= gamma[k] * lam[k]
            k = follow[k]
        assert ours[i] == pytest.approx(total, abs=1e-9)


def decisions(reward, duration, follow, terminal):
    return SimpleNamespace(
        reward=torch.tensor(reward),
        duration=torch.tensor(duration),
        follow=torch.tensor(follow),
        terminal=torch.tensor(terminal),
    )


def test_advantages_relative_to_the_average_reward_by_hand():
    """H = 10, rho = 0.1, so rho H = 1. Two steps for 0.2, then one for 0.4, which terminates."""
    x = decisions([0.2, 0.4], [2.0, 1.0], [1, -1], [False, True])
    value, half = torch.tensor([0.5, 0.25]), torch.tensor([0.5, 0.5])
    got = relative_advantages(
        x, value, torch.tensor([0.25, 9.0]), half, torch.tensor([0.0, 0.1]), AverageReward(0.1, 10.0)
    )
    two, one = math.exp(-0.2), math.exp(-0.1)
    last = (0.4 - 0.1) * 10 * (1 - one) + 0.1 - one * 1.0 - 0.25
    # The first is paid the average reward.
    assert got.tolist() == pytest.approx([0.0 + two * 0.25 - 0.5 + two * 0.5 * last, last], rel=1e-5)


@settings(max_examples=50)
@given(st.floats(-2, 2), st.floats(1, 1000), st.lists(st.integers(1, 400), min_size=1, max_size=6))
def test_what_is_paid_evenly_is_worth_the_same_however_it_is_cut(rate, horizon, pieces):
    """One decision for all steps, or one for each piece with the values of what is left."""
    left = torch.tensor([sum(pieces[i:]) for i in range(len(pieces) + 1)], dtype=torch.float32)
    worth = rate * discounted_steps(left, horizon)
    duration = torch.tensor(pieces, dtype=torch.float32)
    cut = decisions((rate * duration).tolist(), duration.tolist(), [-1] * len(pieces), [False] * len(pieces))
    nothing = torch.zeros(len(pieces))
    got = relative_advantages(cut, worth[:-1], worth[1:], nothing, nothing, AverageReward(0.0, horizon))
    torch.testing.assert_close(got, nothing, atol=1e-3 * max(1.0, horizon), rtol=0)
    assert worth[0].item() == pytest.approx(rate * horizon * (1 - math.exp(-sum(pieces) / horizon)), rel=1e-3, abs=1e-4)
    assert discounted_steps(torch.tensor([1e-6]), 1e3).item() == pytest.approx(1e-6)


@given(st.integers(1, 8), st.floats(-2, 2), st.floats(2, 100), st.booleans(), st.integers(0, 2**31))
def test_the_average_reward_changes_no_advantage(count, rate, horizon, ends, seed):
    """Values relative to rho H and rewards relative to rho: the advantages are those of plain rewards and values."""
    rng = np.random.default_rng(seed)
    reward, value = (torch.from_numpy(rng.normal(size=count)).float() for _ in range(2))
    duration = torch.from_numpy(rng.integers(1, 9, size=count)).float()
    following = torch.cat([value[1:], torch.tensor([0.0 if ends else 3.0])])
    follow = [*range(1, count), -1]
    x = decisions(reward.tolist(), duration.tolist(), follow, [False] * (count - 1) + [ends])
    lam, none = torch.full((count,), 0.9), torch.zeros(count)
    plain = relative_advantages(x, value, following, lam, none, AverageReward(0.0, horizon))
    shift = rate * horizon
    relative = relative_advantages(x, value - shift, following - shift, lam, none, AverageReward(rate, horizon))
    torch.testing.assert_close(relative, plain, atol=2e-3, rtol=1e-3)


def test_time_is_discounted_however_it_is_cut():
    assert discount(torch.tensor([3.0]), 7.0).item() == pytest.approx(discount(torch.ones(3), 7.0).prod().item())


def test_policy_loss_is_clipped_on_the_side_that_would_go_further():
    ratio = torch.tensor([1.5, 1.5, 0.5, 0.5, 1.0])
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0, 2.0])
    loss = clipped_policy_loss(ratio.log(), torch.zeros(5), advantage, 0.2)
    torch.testing.assert_close(loss, torch.tensor([-1.2, 1.5, -0.5, 0.8, -2.0]))


def test_only_gains_are_imitated():
    log_prob = torch.tensor([-0.5, -2.0, -1.0])
    assert imitation_loss(log_prob, torch.tensor([2.0, -3.0, 0.0])).tolist() == [1.0, 0.0, 0.0]


def test_imitation_learns_from_what_would_hardly_be_done_any_more():
    """The clipped loss sends a gradient in proportion to pi / mu, here e^-8, and beyond the clip none."""
    for log_prob, clipped in ((-8.0, -math.exp(-8.0)), (1.0, 0.0)):
        x, gain = torch.tensor([log_prob], requires_grad=True), torch.tensor([1.0])
        (sent,) = torch.autograd.grad(clipped_policy_loss(x, torch.zeros(1), gain, 0.2).sum(), x)
        assert float(sent) == pytest.approx(clipped, rel=1e-4)
        (sent,) = torch.autograd.grad(imitation_loss(x, gain).sum(), x)
        assert float(sent) == -1.0


def test_small_formulas():
    size = math.log(2.0 + SMALLEST_SCALE)
    assert scale_loss(torch.tensor([1.0]), torch.tensor([-2.0])).item() == pytest.approx((1 - size) ** 2 / 2)
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


def test_values_stay_when_their_units_change():
    torch.manual_seed(0)
    heads = ActorCriticHeads(8, 3)
    torch.nn.init.normal_(heads.value[-1].weight)
    features, time = torch.randn(5, 8), torch.arange(5)
    before = heads(features, time)[1]
    for mean, std in ((3.0, 0.01), (-1.0, 50.0)):
        heads.rescale(mean, std)
        torch.testing.assert_close(heads(features, time)[1], before, atol=1e-4, rtol=1e-4)
        assert float(heads.value_std) == pytest.approx(std)
    timed = torch.cat([features, elapsed(time)], dim=-1)
    assert (heads.value(timed).squeeze(-1) * 50 - 1).tolist() == pytest.approx(before.tolist(), abs=1e-3)


def test_only_the_critic_sees_the_time():
    torch.manual_seed(0)
    heads = ActorCriticHeads(8, 3)
    torch.nn.init.normal_(heads.value[-1].weight)
    features = torch.randn(1, 8).expand(2, 8)
    logits, value, log_scale = heads(features, torch.tensor([3, 3000]))
    assert value[0] != value[1]
    assert torch.equal(logits[0], logits[1]) and log_scale[0] == log_scale[1]
    assert elapsed(torch.tensor([0, 4]))[:, :3].tolist() == [[-1, -1, -1], pytest.approx([0.6, 0, -0.6])]
    assert float(elapsed(torch.tensor([10**9])).max()) <= 1


def test_running_figures_forget_slowly():
    moments, reward_rate = RunningMoments(), RewardRate()
    assert reward_rate.rate == 0.0
    moments.add(torch.tensor([1.0, 3.0]))
    reward_rate.add(2.0, 4.0)
    assert (moments.mean, moments.std, reward_rate.rate) == pytest.approx((2.0, 1.0, 0.5))  # the first as they are
    moments.add(torch.tensor([100.0]))
    reward_rate.add(0.0, 4.0)
    assert 2.0 < moments.mean < 100.0 and reward_rate.rate == pytest.approx(0.95 * 2 / (0.95 * 4 + 4))
    same = RunningMoments()
    same.add(torch.tensor([5.0, 5.0]))
    assert same.std == pytest.approx(SMALLEST_STD)


def test_the_usual_length_of_an_episode():
    """While none has ended, the steps so far; then a plain mean, later one that forgets."""
    length = EpisodeLength()
    length.add([], 16)
    length.add([], 4)
    assert length.mean == 20
    length.add([10, 30], 4)
    length.add([50], 4)
    assert length.mean == pytest.approx(30)
    length.add([100] * 5 * EPISODES, 4)
    assert length.mean == pytest.approx(100, abs=1)
