"""Rollout equals replay, batched equals single, same seed same parameters, nothing hidden is kept."""

import dataclasses
import functools

import numpy as np
import pytest
import torch

from reinstate.agents.networks import STATE_WIDTH
from reinstate.agents.ppo import update
from reinstate.agents.recurrent import CELLS
from reinstate.memory.options import MemoryOptions
from reinstate.memory.slots import bytes_per_slot
from tests.agents.playing import (
    LONGEST,
    MODE_NAMES,
    NUM_ENVS,
    STEPS,
    Play,
    assert_replay_equals_rollout,
    bare_learner,
    build,
    parameters_of,
)

EVERYONE = torch.arange(NUM_ENVS)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("none", {}),
        ("lstm", {}),
        ("gru", {}),
        ("memory", {"write_rule": "always", "slots": 5}),
        ("memory", {"eviction": "similar", "slots": 3}),
        ("memory", {"compare": True}),
        *[("memory", {"recalculation": mode}) for mode in MODE_NAMES],
    ],
    ids=["none", "lstm", "gru", "always, overflow", "similar, overflow", "compare", *MODE_NAMES],
)
def test_rollout_equals_replay(trained_once, name, options):
    """After rollouts and an update: log-probabilities and values again, so the first ratio is 1. An episode ends inside
    the last rollout."""
    play = Play.begin(build(name, codec=trained_once.agent.codec if name == "memory" else None, **options), epochs=1)
    play.learn(1)
    play.pass_time(LONGEST - 2 * STEPS)
    assert_replay_equals_rollout(play, 2 * STEPS)


@pytest.mark.parametrize("name", ["memory", "lstm", "gru", "none"])
def test_the_first_ratio_of_an_update_is_1(name):
    """As the update itself reports it, for decisions that today's parameters have made."""
    play = Play.begin(build(name), action_repeat=False)
    log = update(play.agent, play.collect(), bare_learner(play.agent, epochs=1), 0.0)
    assert abs(log["train/approx_kl"]) < 1e-6 and log["train/clip_fraction"] == 0.0
    log = update(play.agent, play.collect(), bare_learner(play.agent, epochs=4), 0.0)
    assert log["train/approx_kl"] > 1e-6  # a later epoch has other parameters


@pytest.mark.parametrize("name", ["memory", "lstm", "gru", "none"])
def test_batched_equals_single(name):
    """All environments together and one by one, deciding at every step."""
    play = Play.begin(build(name))
    agent, state = play.agent, play.collector.agent_state
    singles = [agent.initial_state(1) for _ in range(NUM_ENVS)]
    inputs = play.collector.inputs(EVERYONE.numpy())
    for t in range(15):
        together, state = agent.act(inputs, state, EVERYONE, None)
        for b in range(NUM_ENVS):
            alone, singles[b] = agent.act(inputs.take(torch.tensor([b])), singles[b], torch.tensor([0]), None)
            torch.testing.assert_close(alone.value[0], together.value[b], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(alone.scale[0], together.scale[b], atol=1e-5, rtol=1e-4)
            assert alone.wrote[0] == together.wrote[b]
        action = torch.randint(0, 7, (NUM_ENVS,), generator=torch.Generator().manual_seed(t))
        observation, _, terminated, truncated, _ = play.envs.step(action.numpy())
        first = torch.from_numpy(terminated | truncated)
        inputs = dataclasses.replace(inputs, observation=torch.tensor(observation), is_first=first)


@pytest.mark.parametrize("name", ["memory", "lstm", "gru"])
def test_the_state_matters_until_an_episode_begins(name):
    """Where an episode begins, an agent with a past decides as one without; elsewhere it does not."""
    play = Play.begin(build(name))
    play.pass_time(STEPS)
    agent, inputs = play.agent, play.collector.inputs(EVERYONE.numpy())
    for first in (False, True):
        inputs.is_first[:] = first
        states = play.collector.agent_state.clone(), agent.initial_state(NUM_ENVS)
        past, none = (agent.act(inputs, state, EVERYONE, None) for state in states)
        assert torch.equal(past[0].value, none[0].value) == first
        after = [state.take(EVERYONE[:1]).state_dict() for _, state in (past, none)]
        if name != "memory":
            assert torch.equal(after[0]["cell"], after[1]["cell"]) == first


@pytest.mark.parametrize("name", CELLS)
def test_cells_are_those_of_torch(name):
    """Over a whole sequence, from zero."""
    torch.manual_seed(0)
    cell, whole = CELLS[name](), {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[name](STATE_WIDTH, STATE_WIDTH)
    for kind, parameter in cell.cell.named_parameters():
        torch.nn.init.normal_(parameter, std=0.1)
        getattr(whole, f"{kind}_l0").data.copy_(parameter)
    x, state, outputs = torch.randn(5, 2, STATE_WIDTH), torch.zeros(2, cell.parts, STATE_WIDTH), []
    for step in x:
        state = cell(step, state)
        outputs.append(state[:, 0])
    torch.testing.assert_close(torch.stack(outputs), whole(x)[0])


def test_an_environment_that_does_not_decide_is_left_alone():
    play = Play.begin(build())
    before, some = play.memory.clone(), torch.tensor([1, 4])
    play.agent.act(play.collector.inputs(some.numpy()), play.collector.agent_state, some, None)
    written = play.memory.written.any(dim=1)
    assert written.tolist() == [False, True, False, False, True, False]
    others = ~written
    assert torch.equal(play.memory.embedding[others], before.embedding[others])


def test_a_decision_is_the_same_again_where_nothing_changed(trained):
    """Why an action may be repeated: the policy of an unchanged state is unchanged, and nothing is written twice."""
    inputs = trained.collector.inputs(EVERYONE.numpy())
    first, state = trained.agent.act(inputs, trained.collector.agent_state, EVERYONE, None)
    inputs.is_first[:] = False
    again, _ = trained.agent.act(inputs, state, EVERYONE, None)
    assert torch.equal(first.value, again.value) and torch.equal(first.log_prob, again.log_prob)
    assert not again.wrote.any()


LEARNERS = {
    "episodic": ("memory", {"credit": "episodic"}),
    "synthetic": ("memory", {"credit": "synthetic"}),
    "bootstrap": ("memory", {"credit": "bootstrap"}),
    "lstm": ("lstm", {}),
}


def parameters_after(which, seed):
    """What two updates learn, from nothing; the horizon is short, so that credit goes further back than it."""
    name, options = LEARNERS[which]
    play = Play.begin(build(name, seed), seed, horizon=0.05, epochs=2, **options)
    play.learn(2, steps=LONGEST // 2)  # the second from episodes that have ended, too
    return parameters_of(play.agent)


once = functools.cache(parameters_after)


@pytest.mark.parametrize("which", LEARNERS)
def test_same_seed_same_parameters_to_the_bit(which):
    assert torch.equal(once(which, 3), parameters_after(which, 3))


@pytest.mark.parametrize("which", ["episodic", "lstm"])
def test_another_seed_learns_other_parameters(which):
    assert not torch.equal(once(which, 3), parameters_after(which, 4))


def test_every_way_of_credit_learns_in_its_own_way():
    found = [once(which, 3) for which in ("bootstrap", "episodic", "synthetic")]
    assert len({tuple(p.tolist()) for p in found}) == 3


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


def test_no_hidden_storage(trained):
    """Only the codec's frames and the step under way hold observations."""
    kept = holders_of_observations({"agent": trained.agent, "collector": trained.collector, "learner": trained.learner})
    frames = ".learner.extras.side_learners.0.training.frames.frames"
    assert kept == {frames, ".collector.observation"}
    assert len(trained.frames.frames) == MemoryOptions.codec_frames
    assert bytes_per_slot(trained.memory) <= 256
    oracle = Play.begin(build(recalculation="oracle"))
    oracle.collect()
    assert ".collector.agent_state.memory.observation" in holders_of_observations({"collector": oracle.collector})


@pytest.mark.parametrize("name", ["memory", "lstm", "gru", "none"])
def test_only_the_critic_of_every_agent_sees_the_time(name):
    play = Play.begin(build(name))
    inputs, later = (play.collector.inputs(EVERYONE.numpy()) for _ in range(2))
    later.time += 1_000
    first, second = (play.agent.act(i, play.agent.initial_state(NUM_ENVS), EVERYONE, None)[0] for i in (inputs, later))
    assert torch.equal(first.log_prob, second.log_prob) and bool((first.value != second.value).all())


def test_a_slot_is_closed_with_what_it_earned_when_the_next_is_written():
    play = Play.begin(build(write_rule="always", slots=64))
    play.collect(20)  # steps cost something from the 13th on
    memory = play.memory
    for b in range(NUM_ENVS):
        written = memory.written[b]
        order = memory.step[b][written].argsort()
        paid, earned = memory.paid[b][written][order], memory.earned[b][written][order]
        torch.testing.assert_close(earned[:-1], paid.diff())
        assert bool(earned[-1].isnan())
    assert bool((memory.earned < 0).any())


def test_agents_say_what_they_cost():
    memory = build(recalculation="target", slots=10)
    size = bytes_per_slot(memory.initial_state(1).memory)
    megabytes = f"{size * 10 * 1000 / 1e6:.1f}"
    assert memory.describe(1_000) == f"recalculation target; a slot takes {size} bytes, the memory {megabytes} MB"
    assert [build(name).describe(1_000) for name in ("lstm", "gru", "none")] == [""] * 3


def test_only_agents_with_slots_have_figures_of_their_state(trained):
    time = torch.from_numpy(trained.collector.lengths)
    figures = trained.agent.figures(trained.collector.agent_state, time)
    assert figures["memory/slots_used"] == pytest.approx(int(trained.memory.written.sum()) / NUM_ENVS)
    lstm = build("lstm")
    assert lstm.figures(lstm.initial_state(NUM_ENVS), time) == {}
