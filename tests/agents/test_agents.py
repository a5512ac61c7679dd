"""Rollout equals replay, batched equals single, same seed same parameters, nothing hidden is kept."""

import dataclasses
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

import reinstate.envs  # noqa: F401
from reinstate.agents.advantages import GoingRate, discount, discounted_steps
from reinstate.agents.baselines import LSTMAgent, MemorylessAgent
from reinstate.agents.encoders import GRID_CATEGORIES, ObservationSpec
from reinstate.agents.episodic import Terms, episodic_loss, paid_in_chunk
from reinstate.agents.learner import advantages, build_learner, update, update_codec
from reinstate.agents.memory_agent import MemoryAgent, build_codec, distance
from reinstate.agents.options import LearningOptions
from reinstate.agents.rollout import collect, start_collecting
from reinstate.memory.credit import SPREAD
from reinstate.memory.episodes import EpisodeRing
from reinstate.memory.options import MemoryOptions
from reinstate.memory.rarity import Rarity
from reinstate.memory.recalculation import eligible
from reinstate.memory.store import bytes_per_slot

sys.path.insert(0, str(Path(__file__).parent))
from replaying import MANY, assert_replay_equals_rollout

LENGTH, NUM_ENVS = 4, 6
SPEC = ObservationSpec("grid", (7, 7, 3))
MODES = ["direct", "target", "refresh", "truncated", "none", "oracle"]


def build(name="memory", seed=0, **options):
    torch.manual_seed(seed)
    if name == "none":
        return MemorylessAgent(SPEC, 7)
    if name == "lstm":
        return LSTMAgent(SPEC, 7)
    o = MemoryOptions(**{"slots": 8, **options})
    return MemoryAgent(SPEC, 7, o, build_codec(SPEC, GRID_CATEGORIES, o))


def start(agent, num_envs=NUM_ENVS, seed=0):
    vector = gym.make_vec("Reinstate/GridTMazeCrowdedPassive-v0", num_envs, length=LENGTH)
    seeds = [seed + 10 * i for i in range(num_envs)]
    return vector, start_collecting(vector, agent, seeds, torch.Generator().manual_seed(seed), 2.0)


def learn(agent, updates, seed=0, steps=16, **options):
    vector, c = start(agent, seed=seed)
    o = LearningOptions(chunk_steps=steps, replayed_episodes=8, **options)
    learner = build_learner(agent, o, torch.Generator().manual_seed(seed))
    for _ in range(updates):
        chunk = collect(vector, agent, c, steps, MANY, learner.ring)
        update(agent, chunk, learner, o, 0.0)
        if hasattr(agent, "codec"):
            update_codec(agent, chunk, learner.generator)
    return vector, c, learner


@pytest.mark.parametrize(
    "agent",
    [
        build("none"),
        build("lstm"),
        build(write_rule="always", slots=5),
        build(eviction="least_read", slots=3),
        build(eviction="similar", slots=3),
        build(compare=True),
    ]
    + [build(recalculation=mode) for mode in MODES],
    ids=["none", "lstm", "always, overflow", "least_read, overflow", "similar, overflow", "compare", *MODES],
)
def test_rollout_equals_replay(agent):
    """After several chunks with episode ends inside: log-probabilities and values again, so the first ratio is 1."""
    vector, c, _ = learn(agent, 6)
    assert_replay_equals_rollout(agent, vector, c, 24)


@pytest.mark.parametrize("name", ["memory", "lstm", "none"])
def test_batched_equals_single(name):
    """All environments together and one by one, deciding at every step."""
    agent = build(name)
    vector, c = start(agent)
    singles = [agent.initial_state(1) for _ in range(NUM_ENVS)]
    state, everyone, only = c.agent_state, torch.arange(NUM_ENVS), torch.tensor([0])
    inputs = c.inputs(everyone.numpy())
    for t in range(30):
        together, state = agent.act(inputs, state, everyone, None)
        for b in range(NUM_ENVS):
            alone, singles[b] = agent.act(inputs.rows(torch.tensor([b])), singles[b], only, None)
            torch.testing.assert_close(alone.value[0], together.value[b], atol=1e-5, rtol=1e-4)
            assert alone.novel[0] == together.novel[b]
        action = torch.randint(0, 7, (NUM_ENVS,), generator=torch.Generator().manual_seed(t))
        observation, reward, terminated, truncated, _ = vector.step(action.numpy())
        first = torch.from_numpy(terminated | truncated)
        inputs = dataclasses.replace(inputs, observation=torch.tensor(observation), is_first=first)


def test_an_environment_that_does_not_decide_is_left_alone():
    agent = build()
    _, c = start(agent)
    before = c.agent_state.memory.clone()
    some = torch.tensor([1, 4])
    agent.act(c.inputs(some.numpy()), c.agent_state, some, None)
    written = c.agent_state.memory.written.any(dim=1)
    assert written.tolist() == [False, True, False, False, True, False]
    others = ~written
    assert torch.equal(c.agent_state.memory.embedding[others], before.embedding[others])


def test_a_decision_is_the_same_again_where_nothing_changed():
    """What justifies holding: the policy of an unchanged state is unchanged, and nothing is written twice."""
    agent = build()
    vector, c, _ = learn(agent, 4)
    everyone = torch.arange(NUM_ENVS)
    inputs = c.inputs(everyone.numpy())
    first, state = agent.act(inputs, c.agent_state, everyone, None)
    inputs.is_first[:] = False
    again, _ = agent.act(inputs, state, everyone, None)
    assert torch.equal(first.value, again.value) and torch.equal(first.log_prob, again.log_prob)
    assert not again.novel.any()


def parameters_after(seed, name="memory", **options):
    agent = build(name, seed)
    learn(agent, 4 if name != "memory" else 12, seed, **options)
    return torch.cat([p.detach().flatten() for p in agent.parameters()])


@pytest.mark.parametrize("name", ["memory", "lstm"])
def test_same_seed_same_parameters_to_the_bit(name):
    assert torch.equal(parameters_after(3, name), parameters_after(3, name))
    assert not torch.equal(parameters_after(3, name), parameters_after(4, name))


@pytest.mark.parametrize("credit", ["bootstrap", "transport", "synthetic"])
def test_every_way_of_credit_learns_in_its_own_way_and_reproducibly(credit):
    flags = {"credit": credit, "horizon": 0.05}  # short, so that looks go further back than the discount
    assert torch.equal(parameters_after(3, **flags), parameters_after(3, **flags))
    assert not torch.equal(parameters_after(3, **flags), parameters_after(3, horizon=0.05))


def embedding_gradient(mode):
    """Norm of what reaches the embedding network from slots of earlier chunks, after the codec has learnt."""
    agent = build(recalculation=mode)
    vector, c, _ = learn(agent, 20)
    for p in agent.embed.parameters():
        p.requires_grad_(True)
    chunk = collect(vector, agent, c, 2, MANY)
    chunk.novel[:] = False  # leaves only what is older than the chunk
    for rows in chunk.start.timeline.reads:
        rows[rows >= NUM_ENVS * agent.options.slots] = -1
    o = LearningOptions(epochs=1, max_grad_norm=1e9)
    update(agent, chunk, build_learner(agent, o, torch.Generator().manual_seed(0)), o, 0.0)
    return sum(float(p.grad.norm()) for p in agent.embed.parameters() if p.grad is not None)


@pytest.mark.parametrize("mode", MODES)
def test_credit_crosses_chunks_exactly_where_it_should(mode):
    assert (embedding_gradient(mode) > 0) == (mode in ("direct", "target", "refresh", "oracle"))


@pytest.mark.parametrize("compare", [False, True])
@pytest.mark.parametrize("mode", ["truncated", "none"])
def test_within_a_chunk_credit_crosses_by_itself_and_for_none_not_at_all(mode, compare):
    agent = build(recalculation=mode, compare=compare)
    vector, c, _ = learn(agent, 2)
    chunk = collect(vector, agent, c, 16, MANY)
    assert chunk.novel.any()
    o = LearningOptions(epochs=1)
    update(agent, chunk, build_learner(agent, o, torch.Generator().manual_seed(0)), o, 0.0)
    reached = any(p.grad is not None and p.grad.any() for p in agent.embed.parameters())
    assert reached == (mode == "truncated")


def tensors_in(thing, seen=None, path=""):
    """Every tensor reachable from an object: attributes, items, containers."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, (str, bytes, int, float, bool, type(None))):
        return
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        thing = torch.from_numpy(thing) if thing.dtype != object else thing.tolist()
    if isinstance(thing, torch.Tensor):
        yield path, thing
        return
    if isinstance(thing, dict):
        children = [(str(k), v) for k, v in thing.items()]
    elif isinstance(thing, (list, tuple, set)):
        children = [(str(i), v) for i, v in enumerate(thing)]
    else:
        children = list(getattr(thing, "__dict__", {}).items())
    for name, child in children:
        yield from tensors_in(child, seen, f"{path}.{name}")


def holders_of_observations(things):
    """Paths of the uint8 tensors that end in the shape of an observation."""
    return {p for p, t in tensors_in(things) if t.dtype == torch.uint8 and tuple(t.shape[-3:]) == (7, 7, 3)}


def test_no_hidden_storage():
    agent = build()
    vector, c, learner = learn(agent, 5)
    kept = holders_of_observations({"agent": agent, "collector": c, "learner": learner})
    assert kept == {".agent.codec.ring.frames", ".collector.observation"}  # the codec's ring and the step under way
    assert len(agent.codec.ring.frames) == MemoryOptions.codec_ring
    assert bytes_per_slot(c.agent_state.memory) <= 256
    oracle = build(recalculation="oracle")
    _, c, _ = learn(oracle, 1)
    assert ".collector.agent_state.memory.observation" in holders_of_observations({"collector": c})


def test_recalculation_never_reads_the_ring():
    results = []
    for poison in (False, True):
        agent = build()
        vector, c, _ = learn(agent, 20)
        chunk = collect(vector, agent, c, 16, MANY)
        if poison:
            agent.codec.ring.frames[:] = 9
        o = LearningOptions()
        update(agent, chunk, build_learner(agent, o, torch.Generator().manual_seed(0)), o, 0.0)
        results.append(torch.cat([p.detach().flatten() for p in agent.parameters()]))
    assert torch.equal(*results)


def test_a_gradient_that_is_not_finite_is_loud():
    agent = build()
    vector, c, _ = learn(agent, 1)
    chunk = collect(vector, agent, c, 8, MANY)
    chunk.reward[5] = torch.inf
    o, before = LearningOptions(), {name: t.clone() for name, t in agent.state_dict().items()}
    with pytest.raises(FloatingPointError, match="not finite"):
        update(agent, chunk, build_learner(agent, o, torch.Generator()), o, 0.0)
    assert all(torch.equal(t, before[name]) for name, t in agent.state_dict().items())


def test_what_is_still_held_counts_with_what_it_has_earned():
    """The decision before it gets gamma lambda of what was earned so far, evenly; beyond it, nothing has changed."""
    agent = build()
    vector, c, _ = learn(agent, 3)
    for _ in range(50):
        chunk = collect(vector, agent, c, 16, MANY)
        leads = chunk.complete & (chunk.follow >= 0) & ~chunk.complete[chunk.follow]
        if leads.any():
            break
    else:
        pytest.fail("no decision that follows another was still held")
    o, going, found = LearningOptions(), GoingRate(0.01, 20.0), []
    for earned in (0.0, 1.0):
        chunk.reward[~chunk.complete] += earned
        found.append(advantages(chunk, going, o.gae_lambda, torch.zeros(len(chunk.reward))))
    difference = (found[1] - found[0])[leads]
    gamma, held = discount(chunk.duration, going.horizon)[leads], chunk.duration[chunk.follow[leads]]
    evenly = discounted_steps(held, going.horizon) / held
    torch.testing.assert_close(difference, gamma * o.gae_lambda * evenly, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("module", ["reinstate.agents.learner", "reinstate.agents.episodic"])
def test_actor_and_critic_have_a_lambda_of_their_own(monkeypatch, module):
    agent = build()
    vector, c, _ = learn(agent, 20)
    ring = EpisodeRing(512, agent.initial_state(1).memory)
    while ring.size < 30:
        chunk = collect(vector, agent, c, 16, MANY, ring)
    before, told = {k: v.clone() for k, v in agent.state_dict().items()}, []

    def spy(name, argument):
        real = getattr(sys.modules[module], name)

        def spied(*arguments):
            told[-1].setdefault(name, arguments[argument].clone())  # the critic's loss comes before the scale's
            return real(*arguments)

        monkeypatch.setattr(f"{module}.{name}", spied)

    spy("clipped_policy_loss", 2), spy("value_loss", 1)
    for actor, critic in ((0.9, 0.9), (0.2, 0.9), (0.9, 0.2)):
        told.append({})
        agent.load_state_dict(before)
        o = LearningOptions(epochs=1, gae_lambda=actor, critic_lambda=critic)
        learner = build_learner(agent, o, torch.Generator().manual_seed(0))
        learner.ring = ring
        update(agent, chunk, learner, o, 0.0)
    same, actors, critics = told
    assert torch.equal(actors["value_loss"], same["value_loss"])
    assert not torch.allclose(actors["clipped_policy_loss"], same["clipped_policy_loss"], rtol=0.01)
    assert not torch.allclose(critics["value_loss"], same["value_loss"], rtol=0.01)
    torch.testing.assert_close(critics["clipped_policy_loss"], same["clipped_policy_loss"])


@pytest.mark.parametrize(("mode", "compare"), [("direct", False), ("none", False), ("oracle", False), ("direct", True)])
def test_remembered_decisions_replay_as_they_were_made(mode, compare):
    """From slots alone, with today's parameters and a codec that reads all it writes: the ratio is 1 in every episode
    that was played with them and evicted nothing."""
    agent = build(recalculation=mode, slots=64, compare=compare)
    learn(agent, 60)
    vector, c = start(agent, seed=7)
    ring = EpisodeRing(512, agent.initial_state(1).memory)
    while ring.size < 30:
        collect(vector, agent, c, 16, MANY, ring)
    drawn = ring.sample(30, torch.Generator().manual_seed(0), torch.ones(ring.size))
    assert eligible(drawn.memory, agent.codec, 1.0)[drawn.memory.written].all()
    events, replay = agent.replay_episodes(drawn)
    assert len(events.slot) == int(drawn.memory.written.sum()) > 30
    torch.testing.assert_close(replay.log_prob, replay.old_log_prob, atol=2e-4, rtol=1e-3)
    drawn.memory.step += 1_000  # the critic is told the time of then, the policy is not
    later = agent.replay_episodes(drawn)[1]
    assert torch.equal(later.logits, replay.logits) and bool((later.value != replay.value).all())


def test_distances_are_those_of_each_head():
    read, present = torch.tensor([[1.0, 2.0, 0.0, -4.0]]), torch.tensor([[3.0, -1.0]])  # two heads, width 2
    assert distance(read, present).tolist() == [[2.0, 3.0, 3.0, 3.0]]


def test_what_is_compared_is_the_present_embedding():
    """Queries and heads are told where the present embedding lies, and without --compare they are not."""
    features, slots = torch.randn(1, 64), torch.randn(1, 3, 16)
    everything = torch.ones(1, 3, dtype=torch.bool)
    here, there = torch.zeros(1, 16), torch.randn(1, 16)
    for compare in (False, True):
        agent = build(compare=compare)
        (x, weights), (y, others) = (agent.look(features, p, slots, everything) for p in (here, there))
        assert torch.equal(weights, others) != compare
        assert torch.equal(x, y) != compare
        if compare:
            assert torch.equal(y[:, 64 + 128 :], distance(y[:, 64 : 64 + 128], there))
        assert agent.heads.policy[0].in_features == x.shape[1]


@pytest.mark.parametrize("name", ["memory", "lstm", "none"])
def test_the_critic_of_every_agent_is_told_the_time(name):
    agent = build(name)
    torch.nn.init.normal_(agent.heads.value[-1].weight)
    _, c = start(agent)
    everyone = np.arange(NUM_ENVS)
    inputs, later = c.inputs(everyone), c.inputs(everyone)
    later.time += 1_000
    first, second = (
        agent.act(i, agent.initial_state(NUM_ENVS), torch.from_numpy(everyone), None)[0] for i in (inputs, later)
    )
    assert torch.equal(first.log_prob, second.log_prob) and bool((first.value != second.value).all())


def test_a_slot_is_told_what_it_earned_when_the_next_is_written():
    agent = build(write_rule="always", slots=64)
    vector, c = start(agent)
    collect(vector, agent, c, 20, MANY)  # steps cost something from the 13th on
    memory = c.agent_state.memory
    for b in range(NUM_ENVS):
        written = memory.written[b]
        order = memory.step[b][written].argsort()
        paid, earned = memory.paid[b][written][order], memory.earned[b][written][order]
        torch.testing.assert_close(earned[:-1], paid.diff())
        assert bool(earned[-1].isnan())
    assert bool((memory.earned < 0).any())


@pytest.mark.parametrize("mode", MODES)
def test_what_is_seen_reaches_the_embedding_network_where_it_is_compared(mode):
    agent = build(recalculation=mode, compare=True)
    _, c = start(agent)
    inputs = c.inputs(np.arange(NUM_ENVS))
    present = agent.present(inputs.distinct)
    assert present.requires_grad == (mode != "none")
    assert torch.equal(present, agent.embed(inputs.observation))


@pytest.mark.parametrize("compare", [False, True])
def test_replayed_decisions_reach_the_embedding_network_where_credit_crosses_the_memory(compare):
    for mode in MODES:
        agent = build(recalculation=mode, compare=compare)
        _, c, learner = learn(agent, 20)
        o, log = LearningOptions(), {}
        terms = Terms(learner.going_rate(o), Rarity.of(learner.ring, agent.codec.version), 0.0, 0.0, None)
        drawn = learner.ring.sample(64, learner.generator, torch.ones(learner.ring.size))
        agent.zero_grad()
        episodic_loss(agent, drawn, terms, o, log).backward()
        reached = any(p.grad is not None and bool(p.grad.any()) for p in agent.embed.parameters())
        assert reached == (mode not in ("none", "truncated")), mode
        assert log["credit/events"] > 0


def episodic_losses(agent, learner, drawn, **options):
    """The policy's gradient from remembered decisions, and the log."""
    o, log = LearningOptions(vf_coef=0.0, **options), {}
    terms = Terms(learner.going_rate(o), Rarity.of(learner.ring, agent.codec.version), 0.0, 0.0, learner.synthetic)
    agent.zero_grad()
    episodic_loss(agent, drawn, terms, o, log).backward()
    return agent.heads.policy[-1].weight.grad.clone(), log


def test_what_went_better_than_expected_is_imitated():
    agent = build()
    _, _, learner = learn(agent, 20)
    drawn = learner.ring.sample(64, learner.generator, torch.ones(learner.ring.size))
    drawn.total[:] = 1_000.0
    without, _ = episodic_losses(agent, learner, drawn, imitation_coef=0.0)
    with_it, _ = episodic_losses(agent, learner, drawn, imitation_coef=1.0)
    assert not torch.equal(without, with_it)


def test_what_goes_worse_than_expected_is_not_imitated():
    agent = build()
    _, _, learner = learn(agent, 20)
    drawn = learner.ring.sample(64, learner.generator, torch.ones(learner.ring.size))
    drawn.total[:] = -1_000.0
    without, _ = episodic_losses(agent, learner, drawn, imitation_coef=0.0)
    with_it, _ = episodic_losses(agent, learner, drawn, imitation_coef=1.0)
    assert torch.equal(without, with_it)


def test_synthetic_returns_are_paid_where_a_slot_is_written():
    agent = build()
    vector, c, learner = learn(agent, 6, credit="synthetic")
    torch.nn.init.normal_(learner.synthetic.contribution[-1].weight)
    chunk = collect(vector, agent, c, 16, MANY)
    terms = Terms(GoingRate(0.0, 20.0), Rarity.of(learner.ring, agent.codec.version), 0.0, 0.0, learner.synthetic)
    paid = paid_in_chunk(chunk, agent, terms)
    assert not paid[~chunk.novel].any() and paid[chunk.novel].all()
    with torch.no_grad():
        worth = learner.synthetic.returns(agent.embed(chunk.inputs.observation[chunk.novel]))
    torch.testing.assert_close(paid[chunk.novel], worth * agent.heads.value_std)


def test_synthetic_returns_explain_what_was_earned_before_the_next_write():
    """Not the rewards between two kept slots, which may lie far apart."""
    agent = build()
    _, _, learner = learn(agent, 20, credit="synthetic")
    drawn = learner.ring.sample(64, learner.generator, torch.ones(learner.ring.size))

    def bias_gradient():
        learner.synthetic.zero_grad()
        episodic_losses(agent, learner, drawn, credit="synthetic")
        return float(learner.synthetic.baseline[-1].bias.grad)

    before = bias_gradient()
    drawn.total += 3.0
    assert bias_gradient() == before
    drawn.memory.earned += 1e6
    assert before != bias_gradient() == pytest.approx(-1.0)  # Huber's loss: each event pulls by one, however far off


def test_large_synthetic_returns_cost_something():
    """Behind a closed gate they explain nothing, and only what they cost pulls at them."""
    agent = build()
    _, _, learner = learn(agent, 20, credit="synthetic")
    drawn = learner.ring.sample(64, learner.generator, torch.ones(learner.ring.size))
    last, gate = learner.synthetic.contribution[-1], learner.synthetic.gate[-1]
    with torch.no_grad():
        for layer, bias in ((last, 1.0), (gate, -50.0)):
            layer.weight.zero_()
            layer.bias.fill_(bias)
    learner.synthetic.zero_grad()
    episodic_losses(agent, learner, drawn, credit="synthetic")
    assert float(last.bias.grad) == pytest.approx(2 * SPREAD)


def test_only_the_oracles_ring_keeps_observations():
    for mode, kept in (("direct", False), ("oracle", True)):
        agent = build(recalculation=mode, check_cosine=True)
        ring = build_learner(agent, LearningOptions(), torch.Generator()).ring
        assert (ring.memory.observation is not None) == kept


def test_an_update_draws_episodes_by_rarity(monkeypatch):
    agent = build()
    vector, c, learner = learn(agent, 20)
    shares, sample = [], learner.ring.sample
    monkeypatch.setattr(learner.ring, "sample", lambda *a: shares.append(a[2]) or sample(*a))
    chunk = collect(vector, agent, c, 16, MANY, learner.ring)
    expected = Rarity.of(learner.ring, agent.codec.version).share_of_draws
    update(agent, chunk, learner, LearningOptions(), 0.0)
    assert len(shares) == LearningOptions.epochs and all(torch.equal(s, expected) for s in shares)
    assert float(expected.max()) > float(expected.min())


def test_synthetic_returns_start_from_the_learners_own_generator():
    agent, o = build(), LearningOptions(credit="synthetic")

    def drawn(seed, elsewhere):
        torch.manual_seed(elsewhere)
        learner = build_learner(agent, o, torch.Generator().manual_seed(seed))
        return torch.cat([p.detach().flatten() for p in learner.synthetic.parameters()])

    assert torch.equal(drawn(1, elsewhere=5), drawn(1, elsewhere=6))
    assert not torch.equal(drawn(1, elsewhere=5), drawn(2, elsewhere=5))
