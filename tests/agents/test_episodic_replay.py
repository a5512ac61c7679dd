"""Remembered decisions: from slots alone they replay as they were made, and are learnt from again."""

import math

import pytest
import torch

from reinstate.agents.extensions.episodic_replay import EpisodicReplay, trace_after, value_after
from reinstate.agents.extensions.rarity import Rarity
from reinstate.agents.interface import Extras, Update
from reinstate.agents.losses import SCALE_COEF, SMALLEST_SCALE
from reinstate.agents.options import LearningOptions
from reinstate.agents.ppo import build_learner, update
from reinstate.agents.returns import AverageReward
from reinstate.memory.slots import bytes_per_slot
from tests.agents.playing import (
    LONGEST,
    MODE_NAMES,
    NUM_ENVS,
    Play,
    build,
    drawn_from,
    generator,
    learn_again,
    learner_of,
    parameters_of,
    reached,
    with_options,
)


@pytest.mark.parametrize(("mode", "compare"), [("direct", False), ("none", False), ("oracle", False), ("direct", True)])
def test_remembered_decisions_replay_as_they_were_made(trained_once, mode, compare):
    """From slots alone, with a codec that reads all it writes: the ratio is 1 in every episode that was played with
    these parameters and evicted nothing."""
    agent = build(recalculation=mode, slots=64, compare=compare, codec=trained_once.agent.codec)
    play = Play.begin(agent, seed=7)
    play.pass_time(2 * LONGEST)
    drawn = drawn_from(play)
    assert len(drawn.length) >= 2 * NUM_ENVS - 1
    assert agent.recalculation.readable(drawn.memory)[drawn.memory.written].all()
    replay = agent.replay_episodes(drawn)
    assert len(replay.events.slot) == int(drawn.memory.written.sum()) > 30
    torch.testing.assert_close(replay.log_prob, replay.old_log_prob, atol=2e-4, rtol=1e-3)
    drawn.memory.step += 1_000  # only the critic sees the time
    later = agent.replay_episodes(drawn)
    assert torch.equal(later.logits, replay.logits) and bool((later.value != replay.value).all())


@pytest.fixture(scope="module")
def with_observations(trained_once):
    """A play whose finished episodes keep true observations beside the slots, as the oracle needs them."""
    play = Play.begin(build(recalculation="oracle", codec=trained_once.agent.codec))
    play.pass_time(LONGEST + 16)
    return play


@pytest.mark.parametrize("compare", [False, True])
@pytest.mark.parametrize("mode", MODE_NAMES)
def test_replayed_decisions_reach_the_embedding_network_where_credit_crosses_the_memory(
    with_observations, monkeypatch, mode, compare
):
    agent = build(recalculation=mode, compare=compare, codec=with_observations.agent.codec)
    play, drawn = Play.begin(agent), drawn_from(with_observations)
    play.replay.buffer = with_observations.replay.buffer
    log = learn_again(play, drawn, monkeypatch)
    assert reached(agent.embed) == (mode not in ("none", "truncated"))
    assert log["credit/events"] > 0


@pytest.mark.parametrize(("total", "imitates"), [(1_000.0, True), (-1_000.0, False)])
def test_only_what_went_better_than_expected_is_imitated(trained, monkeypatch, total, imitates):
    drawn, found = drawn_from(trained), []
    drawn.total[:] = total
    torch.nn.init.zeros_(trained.agent.heads.value[-1].weight)  # a step counts for one unit at most: expect less
    trained.agent.heads.value[-1].bias.detach().zero_()
    trained.agent.heads.value_mean.zero_()
    for coef in (0.0, 1.0):
        learn_again(with_options(trained, imitation_coef=coef), drawn, monkeypatch, vf_coef=0.0)
        found.append(trained.agent.heads.policy[-1].weight.grad.clone())
    assert torch.equal(*found) != imitates


def test_the_loss_against_a_naive_sum(trained, monkeypatch):
    """The mean over remembered decisions of the same losses as in a rollout, with advantages by the traces; imitation
    of what went better than expected; the entropy bonus in units of the advantage scale."""
    drawn, o = drawn_from(trained), LearningOptions(gae_lambda=0.7, critic_lambda=0.8, imitation_coef=0.4)
    play, log = with_options(trained, gae_lambda=0.7, critic_lambda=0.8, imitation_coef=0.4), {}
    monkeypatch.setattr(play.replay.buffer, "sample", lambda *_: drawn)
    u = Update(None, o, AverageReward(0.01, 20.0), ent_coef=0.3, progress=1.0, generator=generator())
    play.replay.begin_update(u)
    got = float(play.replay.loss(u, log).detach())

    with torch.no_grad():
        r = play.agent.replay_episodes(drawn)
        value, old, std = r.value.tolist(), r.old_log_prob.tolist(), float(play.agent.heads.value_std)
    e, n, rho, H = r.events, len(r.value), 0.01, 20.0
    ratio = (r.log_prob - r.old_log_prob).exp().tolist()

    def advantages(lam_of):
        found = [0.0] * n
        for i in reversed(range(n)):
            tau, follow = float(e.duration[i]), int(e.follow[i])
            after = value[follow] if follow >= 0 else -rho * H if e.terminal[i] else value[i]
            gamma = math.exp(-tau / H)
            found[i] = (float(e.reward[i]) / tau - rho) * H * (1 - gamma) + gamma * after - value[i]
            if follow >= 0:
                found[i] += gamma * lam_of(follow) * found[follow]
        return torch.tensor(found)

    by_trace, in_full, critic = (
        advantages(lam)
        for lam in (lambda i: 0.7 * min(1.0, ratio[i]), lambda i: 1.0, lambda i: 0.8 * min(1.0, ratio[i]))
    )
    deviation = by_trace.square().mean().sqrt()
    expected = 0.0
    for i in range(n):
        gain, chances = float(by_trace[i] / deviation), torch.softmax(r.logits[i], 0)
        expected += -min(ratio[i] * gain, min(max(ratio[i], 1 - o.clip_coef), 1 + o.clip_coef) * gain)
        expected += o.vf_coef * (float(critic[i]) / std) ** 2 / 2
        expected += SCALE_COEF * (float(r.log_scale[i]) - math.log(abs(float(by_trace[i])) + SMALLEST_SCALE)) ** 2 / 2
        expected += 0.4 * -(old[i] + math.log(ratio[i])) * max(float(in_full[i] / deviation), 0.0)
        expected += 0.3 * math.exp(float(r.log_scale[i])) / float(deviation) * float((chances * chances.log()).sum())
    assert n > 50 and got == pytest.approx(expected / n, rel=1e-3)
    assert log["credit/ratio"] == pytest.approx(sum(ratio) / n, rel=1e-4)


def test_only_the_oracles_buffer_keeps_observations():
    for mode, kept in (("direct", False), ("oracle", True)):
        agent = build(recalculation=mode, check_cosine=True)
        memory = learner_of(agent, LearningOptions()).extras.terms[0].buffer.episodes.memory
        assert (memory.observation is not None) == kept


def test_an_update_draws_episodes_by_rarity(trained, monkeypatch):
    shares, buffer = [], trained.replay.buffer
    sample = buffer.sample
    monkeypatch.setattr(buffer, "sample", lambda *a: shares.append(a[2]) or sample(*a))
    rollout = trained.collect()
    expected = Rarity.of(buffer, trained.agent.codec.version).share_of_draws
    update(trained.agent, rollout, trained.learner, 0.0)
    assert len(shares) == trained.learner.options.epochs and all(torch.equal(s, expected) for s in shares)
    assert float(expected.max()) > float(expected.min())


class EvenDraws:
    """Every finished episode is drawn alike."""

    def begin_update(self, buffer, version):
        self.size = buffer.size

    def shares(self):
        return torch.ones(self.size)


def test_it_works_without_terms_and_bonuses(trained_once):
    """Episodic replay needs no other extension; it still learns what PPO alone does not."""
    found = []
    for episodic in (False, True):
        play = Play.begin(build(codec=trained_once.agent.codec))
        term = EpisodicReplay(play.agent, 64, 8, EvenDraws(), [], [])
        play.learner = build_learner(
            play.agent, Extras([term] if episodic else [], [], []), LearningOptions(epochs=1), generator()
        )
        play.pass_time(LONGEST + 16)
        log = play.learn(1)
        assert ("credit/events" in log) == episodic
        assert not episodic or (log["credit/paid"] == 0.0 and term.buffer.size >= NUM_ENVS - 1)
        found.append(parameters_of(play.agent))
        assert found[-1].isfinite().all()
    assert not torch.equal(*found)


def test_nothing_is_learnt_again_from_episodes_that_cannot_be_read(trained):
    """Their codes are of versions that the codec has forgotten."""
    assert "credit/events" in trained.learn(1)
    trained.replay.buffer.episodes.memory.version[:] = -trained.agent.codec.versions
    assert "credit/events" not in update(trained.agent, trained.collect(2), trained.learner, 0.0)


def test_extras_say_what_they_cost(trained):
    slot = bytes_per_slot(trained.replay.buffer.episodes.memory)
    megabytes = f"{slot * trained.agent.options.slots * 512 / 1e6:.1f}"
    assert trained.replay.describe() == f"the slots of the last 512 finished episodes take up to {megabytes} MB"
    side = trained.learner.extras.side_learners[0]
    assert side.describe() == f"the codec's frames take up to {2048 * 147 / 1e6:.1f} MB"


def test_what_comes_after_an_event():
    """Two episodes of two events: the value of the next, after the last its own; weights of at most 1."""
    follow = torch.tensor([1, -1, 3, -1])
    assert value_after(torch.tensor([1.0, 2.0, 3.0, 4.0]), follow).tolist() == [2.0, 2.0, 4.0, 4.0]
    assert trace_after(torch.tensor([9.0, 0.5, 9.0, 1.5]), follow).tolist() == [0.5, 0.0, 1.0, 0.0]
