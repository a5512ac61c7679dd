"""Synthetic returns: what they explain, what they are paid for, and that they find the slot that matters."""

import pytest
import torch

from reinstate.agents.extensions.synthetic_returns import SPREAD, SyntheticReturns, explanation_loss
from reinstate.agents.interface import Update
from reinstate.agents.options import LearningOptions
from reinstate.agents.returns import AverageReward
from reinstate.memory.episodes import Episodes, events, older_slots
from reinstate.memory.slots import empty, write
from tests.agents.playing import build, drawn_from, generator, learn_again, learner_of, with_options


def written_at(*steps):
    """Episodes whose slots were written at these steps, a list for each; they end after 100 steps, unpaid."""
    M, N = len(steps), max(map(len, steps))
    memory = empty(M, N, width=2, code_bytes=1)
    for env, times in enumerate(steps):
        for place, time in enumerate(times):
            write(memory, torch.tensor([env]), torch.tensor([place]), step=time)
    episodes = Episodes(memory, torch.zeros(M), torch.full((M,), 100), torch.ones(M, dtype=torch.bool))
    return episodes, events(episodes, memory.written)


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
    meaning, then a door, at which 1 is paid to those who saw the key. Once learnt, the key's synthetic return is the
    reward, and that of everything else is 0."""
    g = torch.Generator().manual_seed(0)
    M, N = 64, 5
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


@pytest.fixture
def crediting(trained):
    """The trained agent with synthetic returns, which begin anew."""
    return with_options(trained, credit="synthetic")


def test_they_are_paid_where_a_slot_is_written(crediting):
    net = crediting.credit.net
    torch.nn.init.normal_(net.contribution[-1].weight)
    rollout = crediting.collect()
    wrote = rollout.decision.wrote
    u = Update(rollout, crediting.learner.options, AverageReward(0.0, 20.0), 0.0, 0.0, generator())
    paid = crediting.credit.of_rollout(u)
    assert wrote.any() and not paid[~wrote].any() and paid[wrote].all()
    with torch.no_grad():
        returns = net.returns(crediting.agent.embed(rollout.inputs.observation[wrote]))
    torch.testing.assert_close(paid[wrote], returns * crediting.agent.heads.value_std)


def test_remembered_slots_are_paid_alike(crediting, monkeypatch):
    """Every slot the same return of 3, in the critic's units."""
    with torch.no_grad():
        crediting.credit.net.contribution[-1].bias.fill_(3.0)
    log = learn_again(crediting, drawn_from(crediting), monkeypatch)
    assert log["credit/paid"] == pytest.approx(3.0 * float(crediting.agent.heads.value_std), rel=1e-5)


def test_they_explain_what_was_earned_before_the_next_write(crediting, monkeypatch):
    """Not the rewards between two kept slots, which may lie far apart."""
    drawn, net = drawn_from(crediting), crediting.credit.net

    def bias_gradient():
        net.zero_grad()
        learn_again(crediting, drawn, monkeypatch)
        return float(net.baseline[-1].bias.grad)

    before = bias_gradient()
    drawn.total += 3.0
    assert bias_gradient() == before
    drawn.memory.earned += 1e6
    assert before != bias_gradient() == pytest.approx(-1.0)  # Huber's loss: each event pulls by one, however far off


def test_large_synthetic_returns_cost_something(crediting, monkeypatch):
    """Behind a closed gate they explain nothing, and only what they cost pulls at them."""
    net = crediting.credit.net
    with torch.no_grad():
        for layer, bias in ((net.contribution[-1], 1.0), (net.gate[-1], -50.0)):
            layer.weight.zero_()
            layer.bias.fill_(bias)
    net.zero_grad()
    learn_again(crediting, drawn_from(crediting), monkeypatch)
    assert float(net.contribution[-1].bias.grad) == pytest.approx(2 * SPREAD)


def test_they_are_trained_with_the_agent(crediting):
    net = crediting.credit.net
    before = [p.detach().clone() for p in net.parameters()]
    crediting.learn(1)
    assert any(not torch.equal(p, old) for p, old in zip(net.parameters(), before, strict=True))


def test_they_start_from_the_learners_own_generator():
    agent, o = build(), LearningOptions(credit="synthetic")

    def drawn(seed, elsewhere):
        torch.manual_seed(elsewhere)
        net = learner_of(agent, o, seed).extras.bonuses[-1].net
        return torch.cat([p.detach().flatten() for p in net.parameters()])

    assert torch.equal(drawn(1, elsewhere=5), drawn(1, elsewhere=6))
    assert not torch.equal(drawn(1, elsewhere=5), drawn(2, elsewhere=5))
