"""The update: where gradients go, what the targets are, and what is refused."""

import math
import sys
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reinstate.agents.interface import Replay, Update
from reinstate.agents.losses import SCALE_COEF, SMALLEST_SCALE
from reinstate.agents.options import LearningOptions
from reinstate.agents.ppo import (
    WROTE_SHARE,
    Targets,
    clip,
    pick,
    ppo_loss,
    share_between,
    targets_of,
    update,
    weighted_mean,
)
from reinstate.agents.returns import discount, discounted_steps
from reinstate.agents.rollout import Decision
from reinstate.experiment.plain_state import split
from tests.agents.playing import (
    MODE_NAMES,
    NUM_ENVS,
    Play,
    bare_learner,
    build,
    generator,
    parameters_of,
    reached,
    with_options,
)


@pytest.mark.parametrize("mode", MODE_NAMES)
def test_credit_crosses_rollouts_exactly_where_it_should(trained_once, mode):
    """What reaches the embedding network from the slots of earlier rollouts, once the codec reads them."""
    play = Play.begin(build(recalculation=mode, codec=trained_once.agent.codec))
    play.pass_time(32)
    rollout = play.collect(2)
    rollout.decision.wrote[:] = False  # leaves only what is older than the rollout
    for rows in rollout.record.visibility.reads:
        rows[rows >= NUM_ENVS * play.agent.options.slots] = -1
    update(play.agent, rollout, bare_learner(play.agent, epochs=1, max_grad_norm=1e9), 0.0)
    assert reached(play.agent.embed) == (mode in ("direct", "target", "refresh", "oracle"))


@pytest.mark.parametrize("compare", [False, True])
@pytest.mark.parametrize("mode", ["truncated", "none"])
def test_within_a_rollout_credit_crosses_by_itself_and_for_none_not_at_all(mode, compare):
    play = Play.begin(build(recalculation=mode, compare=compare))
    rollout = play.collect()
    assert rollout.decision.wrote.any()
    update(play.agent, rollout, bare_learner(play.agent, epochs=1), 0.0)
    assert reached(play.agent.embed) == (mode == "truncated")


def test_recalculation_never_reads_the_codecs_frames(trained_once):
    """Slots that were written before the rollout are recalculated, and other frames change nothing."""
    found = []
    for poison in (False, True):
        play = with_options(Play.begin(build(codec=trained_once.agent.codec)))
        play.pass_time(32)
        play.frames.add(play.collector.inputs(torch.arange(NUM_ENVS).numpy()).observation)
        rollout = play.collect()
        if poison:
            play.frames.frames[:] = 9
        log = update(play.agent, rollout, play.learner, 0.0)
        assert log["recalculation/codes"] > 0
        found.append(parameters_of(play.agent))
    assert torch.equal(*found)


def test_only_the_options_say_whether_the_cosine_is_checked(trained_once):
    """It is near 1 where the codec reads what was written."""
    for asked in (False, True):
        play = Play.begin(build(check_cosine=asked, codec=trained_once.agent.codec))
        play.pass_time(32)
        log = update(play.agent, play.collect(), bare_learner(play.agent, epochs=1), 0.0)
        assert ("recalculation/cosine" in log) == asked
    assert log["recalculation/cosine"] == pytest.approx(1.0, abs=1e-4)


def same_state(agent, before):
    tensors, rest = split(agent.state_dict())
    return rest == before[1] and all(torch.equal(t, before[0][name]) for name, t in tensors.items())


def test_targets_that_are_not_finite_are_loud_and_change_nothing():
    play = Play.begin(build())
    rollout = play.collect(8)
    rollout.outcome.reward[5] = torch.nan
    before = split(play.agent.state_dict())
    with pytest.raises(FloatingPointError, match="targets are not finite"):
        update(play.agent, rollout, bare_learner(play.agent), 0.0)
    assert same_state(play.agent, before)


def test_a_gradient_that_is_not_finite_is_loud_and_changes_nothing():
    """What was seen is not finite, while the values of the rollout, and so its targets, are."""
    play = Play.begin(build())
    rollout, agent = play.collect(8), play.agent
    rollout.inputs.prev_reward[:] = torch.nan
    before = split(agent.state_dict())
    with pytest.raises(
        FloatingPointError, match="gradient is not finite .*a previous reward in this rollout is not; mend"
    ):
        update(play.agent, rollout, bare_learner(play.agent), 0.0)
    assert same_state(agent, before)


def test_nothing_is_learnt_while_every_decision_is_open():
    play = Play.begin(build())
    rollout, before = play.collect(8), parameters_of(play.agent)
    rollout.outcome.closed[:] = False
    learner = bare_learner(play.agent)
    assert update(play.agent, rollout, learner, 0.0) == {}
    assert torch.equal(parameters_of(play.agent), before) and learner.reward_rate.steps == 0


def test_an_open_decision_counts_with_what_it_has_earned():
    """The decision before it gets gamma lambda of its advantage so far: what was earned, evenly, and beyond it, where
    nothing has changed, its own value."""
    play = Play.begin(build())
    for _ in range(50):
        rollout = play.collect()
        x, value = rollout.outcome, rollout.decision.value
        leads = x.closed & (x.follow >= 0) & ~x.closed[x.follow]
        if leads.any():
            break
    else:
        pytest.fail("no decision that follows another was still open")
    u = bare_learner(play.agent).begin(rollout, 0.0)
    x.reward[~x.closed] += 1.0
    found = targets_of(u, torch.zeros(len(value))).value[leads]
    horizon, rate = u.average.horizon, u.average.rate
    after, gamma = x.follow[leads], discount(x.duration, horizon)
    earned = (x.reward / x.duration - rate) * discounted_steps(x.duration, horizon)
    so_far = earned[after] + (gamma[after] - 1) * value[after]
    trace = gamma[leads] * u.options.critic_lambda
    torch.testing.assert_close(found, earned[leads] + gamma[leads] * x.next_value[leads] + trace * so_far)


def test_advantages_are_centred_and_their_deviation_is_that_of_the_closed_decisions(trained):
    rollout = trained.collect()
    u = trained.learner.begin(rollout, 0.0)
    targets = targets_of(u, torch.zeros(len(rollout.decision.value)))
    ours = targets.advantage[rollout.outcome.closed]
    assert float(ours.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(targets.deviation) == pytest.approx(float(ours.std(correction=0)), rel=1e-4)


@pytest.mark.parametrize("module", ["reinstate.agents.ppo", "reinstate.agents.extensions.episodic_replay"])
def test_actor_and_critic_have_a_lambda_of_their_own(trained, monkeypatch, module):
    rollout, before, reported = trained.collect(), trained.agent.state_dict(), []
    before = {name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in before.items()}

    def spy(name, argument):
        real = getattr(sys.modules[module], name)

        def spied(*arguments):
            reported[-1].setdefault(name, arguments[argument].clone())  # the critic's loss comes before the scale's
            return real(*arguments)

        monkeypatch.setattr(f"{module}.{name}", spied)

    spy("clipped_policy_loss", 2), spy("value_loss", 1)
    for actor, critic in ((0.9, 0.9), (0.2, 0.9), (0.9, 0.2)):
        reported.append({})
        trained.agent.load_state_dict(before)
        play = with_options(trained, epochs=1, gae_lambda=actor, critic_lambda=critic)
        update(play.agent, rollout, play.learner, 0.0)
    same, actors, critics = reported
    assert torch.equal(actors["value_loss"], same["value_loss"])
    assert not torch.allclose(actors["clipped_policy_loss"], same["clipped_policy_loss"], rtol=0.01)
    assert not torch.allclose(critics["value_loss"], same["value_loss"], rtol=0.01)
    torch.testing.assert_close(critics["clipped_policy_loss"], same["clipped_policy_loss"])


def test_the_loss_against_a_naive_sum():
    """Of five decisions, the three that are picked: two wrote and share WROTE_SHARE, the third has the rest."""
    g = generator()
    action, wrote = torch.tensor([0, 2, 1, 1, 0]), torch.tensor([True, True, False, True, False])
    old, value = torch.full((5,), math.log(1 / 3)), torch.zeros(5)
    decision = Decision(action, old, value, torch.rand(5, generator=g) + 0.5, wrote, action, torch.ones(5))
    targets = Targets(torch.randn(5, generator=g), torch.tensor(0.7), torch.randn(5, generator=g))
    replay = Replay(*(torch.randn(*shape, generator=g) for shape in ((3, 3), (3,), (3,))))
    o = LearningOptions(clip_coef=0.2, vf_coef=0.5)
    u = Update(SimpleNamespace(decision=decision), o, None, ent_coef=0.3, progress=0.0, generator=g)
    picked, std, log = torch.tensor([0, 2, 3]), torch.tensor(2.0), {}
    got = float(ppo_loss(u, replay, picked, targets, std, log))

    expected, uncertainty, clipped = 0.0, 0.0, 0.0
    for row, i in enumerate(picked.tolist()):
        weight = WROTE_SHARE / 2 if wrote[i] else 1 - WROTE_SHARE
        chances = torch.softmax(replay.logits[row], 0).tolist()
        ratio, size = chances[action[i]] * 3, float(targets.advantage[i])
        gain = size / 0.7
        policy = -min(ratio * gain, min(max(ratio, 0.8), 1.2) * gain)
        critic = (float(replay.value[row]) - float(targets.value[i])) ** 2 / 2 / 4.0
        scale = (float(replay.log_scale[row]) - math.log(abs(size) + SMALLEST_SCALE)) ** 2 / 2
        entropy = -sum(p * math.log(p) for p in chances)
        temperature = 0.3 * float(decision.scale[i]) / 0.7
        expected += weight * (policy + 0.5 * critic + SCALE_COEF * scale - temperature * entropy)
        uncertainty += weight * entropy
        clipped += weight * (abs(ratio - 1) > 0.2)
    assert got == pytest.approx(expected, rel=1e-4)
    assert log["train/entropy"] == pytest.approx(uncertainty, rel=1e-4)
    assert log["train/clip_fraction"] == pytest.approx(clipped, rel=1e-4)


def test_schedules_go_from_their_start_to_their_end():
    play = Play.begin(build("none"))
    rollout = play.collect(4)
    learner = bare_learner(play.agent, learning_rate=1e-3, final_learning_rate=1e-4, ent_coef=0.4, final_ent_coef=0.1)
    for progress, rate, coefficient in ((0.0, 1e-3, 0.4), (0.5, 5.5e-4, 0.25), (1.0, 1e-4, 0.1)):
        u = learner.begin(rollout, progress)
        assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(rate)
        assert u.ent_coef == pytest.approx(coefficient) and u.progress == progress


def test_the_horizon_is_in_lengths_of_episodes():
    play = Play.begin(build("none"))
    rollout = play.collect(12)
    learner = bare_learner(play.agent, horizon=3.0)
    assert learner.begin(rollout, 0.0).average.horizon == 3.0 * 12  # none has ended: the steps so far
    assert learner.begin(rollout, 0.0).average.horizon == 3.0 * 24
    assert learner.options == LearningOptions(horizon=3.0)


def test_embedding_network_and_the_rest_are_clipped_apart():
    """Large gradients of one do not shrink those of the other."""
    play = Play.begin(build())
    learner = bare_learner(play.agent, epochs=1, max_grad_norm=1e-3)
    log = update(play.agent, play.collect(), learner, 0.0)
    assert log["train/grad_norm"] > 1e-3
    norms = [torch.cat([p.grad.flatten() for p in g if p.grad is not None]).norm() for g in learner.groups]
    assert [float(n) for n in norms] == pytest.approx([min(1e-3, log["train/grad_norm_embedding"]), 1e-3], rel=1e-3)


def test_each_group_is_clipped_by_itself_and_none_may_be_infinite():
    groups = [[torch.nn.Parameter(torch.zeros(2)) for _ in range(count)] for count in (1, 0, 2)]
    for p in (*groups[0], *groups[2]):
        p.grad = torch.tensor([3.0, 4.0])
    norms = clip(groups, 6.0)
    assert norms == {"train/grad_norm_embedding": 5.0, "train/grad_norm": pytest.approx(50**0.5)}
    assert groups[0][0].grad.tolist() == pytest.approx([3.0, 4.0])
    assert float(torch.stack([p.grad for p in groups[2]]).norm()) == pytest.approx(6.0, rel=1e-4)
    for p in (groups[0][0], groups[2][1]):
        before, p.grad = p.grad, torch.tensor([torch.inf, 0.0])
        with pytest.raises(FloatingPointError, match="gradient is not finite"):
            clip(groups, 6.0)
        p.grad = before
        assert clip(groups, 6.0)


def test_those_that_wrote_have_their_share():
    wrote = torch.tensor([True, False, False, False])
    assert share_between(wrote, 0.4).tolist() == pytest.approx([0.4, 0.2, 0.2, 0.2])
    assert share_between(wrote[1:], 0.4).tolist() == pytest.approx([1 / 3] * 3)
    assert share_between(wrote[:1], 0.4).tolist() == [1.0]


@settings(max_examples=50)
@given(st.lists(st.booleans(), min_size=1, max_size=20), st.integers(1, 12), st.integers(0, 2**31))
def test_only_closed_decisions_are_picked(closed, most, seed):
    picked = pick(torch.tensor(closed), most, generator(seed)).tolist()
    assert picked == sorted(set(picked)) and len(picked) == min(most, sum(closed))
    assert all(closed[i] for i in picked)


def test_a_weighted_mean_of_nothing_is_not_a_number():
    x = torch.tensor([1.0, 3.0])
    assert weighted_mean(x, torch.tensor([3.0, 1.0])) == 1.5
    assert math.isnan(weighted_mean(x, torch.zeros(2)))
