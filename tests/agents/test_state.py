"""What a run must remember: saved as plain values and loaded into fresh objects, it goes on to the bit."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reinstate.agents.action_repeat import ActionRepeat
from reinstate.agents.memory_agent import MemoryRecord
from reinstate.agents.statistics import EpisodeLength, RewardRate, RunningMoments
from reinstate.memory.slots import empty
from reinstate.memory.visibility import Visibility
from tests.agents.playing import LONGEST, Play, build
from tests.states import assert_same_state, through_a_file

CASES = {
    "direct, episodic": ("memory", {}, {}),
    "a codec that still learns": ("memory", {}, {}),
    "synthetic": ("memory", {}, {"credit": "synthetic"}),
    "bootstrap": ("memory", {}, {"credit": "bootstrap"}),
    "refresh": ("memory", {"recalculation": "refresh"}, {}),
    "oracle, true observations": ("memory", {"recalculation": "oracle"}, {}),
    "compare": ("memory", {"compare": True}, {}),
    "every step a decision": ("memory", {"write_rule": "always"}, {}),
    "lstm": ("lstm", {}, {}),
    "gru": ("gru", {}, {}),
    "none": ("none", {}, {}),
}


def state_of(play):
    return {name: getattr(play, name).state_dict() for name in ("agent", "learner", "collector")}


@pytest.mark.parametrize("case", CASES)
def test_learning_goes_on_from_its_state(trained_once, case):
    """Two updates after loading equal two updates without: agent, learner and collector, with episodes to learn from
    again, several versions of the codec, and open decisions. The fresh objects have another seed."""
    name, options, learning = CASES[case]

    def begin(seed):
        return Play.begin(build(name, seed, **options), seed, epochs=1, replay_batch=4, **learning)

    play, fresh = begin(0), begin(1)
    if name == "memory":
        if case != "a codec that still learns":
            play.agent.codec.load_state_dict(trained_once.agent.codec.state_dict())
        play.pass_time(LONGEST)
    play.learn(1)
    pending = play.collector.pending
    assert (len(pending.env) > 0) != play.agent.decides_every_step
    if learning.get("credit", "episodic") != "bootstrap" and name == "memory":
        assert play.replay.buffer.size > 0

    environments, state = play.envs.get_state(), through_a_file(state_of(play))
    for part, values in state.items():
        getattr(fresh, part).load_state_dict(values)
    fresh.envs.set_state(environments)
    assert_same_state(state_of(fresh), state)
    play.learn(2, steps=8)
    fresh.learn(2, steps=8)
    assert_same_state(state_of(fresh), state_of(play))


def test_a_state_is_that_of_its_moment(trained):
    """Plain values that a file gave back stay as they are while a run that they were loaded into goes on."""
    state, environments = through_a_file(state_of(trained)), trained.envs.get_state()
    found = []
    for _ in range(2):
        for part, values in state.items():
            getattr(trained, part).load_state_dict(values)
        trained.envs.set_state(environments)
        trained.learn(1)
        found.append(through_a_file(state_of(trained)))
    assert_same_state(*found)


@pytest.mark.parametrize("name", ["memory", "lstm", "gru", "none"])
def test_the_record_of_a_rollout_survives_a_file(name):
    """The rollout replays alike from what is loaded into the record of another."""
    play, other = Play.begin(build(name)), Play.begin(build(name), seed=5)
    for p in (play, other):
        p.pass_time(32)
    rollout, record = play.collect(), other.collect().record
    record.load_state_dict(through_a_file(rollout.record.state_dict()))
    picked = rollout.outcome.closed.nonzero()[:, 0]
    expected = play.agent.replay(rollout, picked)
    got = play.agent.replay(dataclasses.replace(rollout, record=record), picked)
    assert torch.equal(got.logits, expected.logits) and torch.equal(got.value, expected.value)


def test_a_record_goes_on_from_the_middle_of_a_rollout():
    """A slot is written, and read by a decision that was open, after loading."""
    memory = empty(2, 2, width=1, code_bytes=1)
    memory.written[0, 0] = True
    record = MemoryRecord(memory, Visibility.begin(memory.written))
    record.repeat(torch.tensor([0]))
    other = empty(2, 2, width=1, code_bytes=1, fill=3.0)
    again = MemoryRecord(other, Visibility.begin(other.written))
    again.load_state_dict(through_a_file(record.state_dict()))
    for r in (record, again):
        r.visibility.record_write(torch.tensor([1]), torch.tensor([1]))
        r.repeat(torch.tensor([1]))
    assert record.visibility.rows.tolist() == [[0, -1], [-1, 4]]
    assert_same_state(record.state_dict(), again.state_dict())


@given(
    before=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12),
    after=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12),
    growth=st.sampled_from([1.0, 2.0, 4.0]),
)
def test_action_repeat_goes_on_from_its_state(before, after, growth):
    """Three environments; two numbers say in which of them something changed, and in which the own action did."""

    def go(repeat, steps):
        decided = []
        for changed, acted in steps:
            decided.append(repeat.deciding().tolist())
            repeat.decided(repeat.deciding())
            repeat.advance(*(np.array([x >> b & 1 for b in range(3)], dtype=bool) for x in (changed, acted)))
        return decided

    repeat, again = ActionRepeat.begin(3, growth), ActionRepeat.begin(3, 3.0)
    go(repeat, before)
    go(again, [(0, 0)] * 2)
    again.load_state_dict(through_a_file(repeat.state_dict()))
    assert go(again, after) == go(repeat, after)


@given(st.lists(st.floats(-9, 9, width=32), min_size=2, max_size=12), st.data())
def test_statistics_go_on_from_their_states(values, data):
    """Any number of rollouts before, the others after loading; one of them is long enough to be forgotten."""
    split = data.draw(st.integers(1, len(values) - 1))
    feed = {
        RewardRate: lambda s, x: s.add(x, abs(x) + 1.0),
        EpisodeLength: lambda s, x: s.add([int(abs(x)) + 1] * (int(abs(x)) % 3), 7),
        RunningMoments: lambda s, x: s.add(torch.tensor([x, x / 2.0])),
    }
    for kind, add in feed.items():
        whole, again = kind(), kind()
        for x in values[:split]:
            add(whole, x)
        add(again, 5.0)
        again.load_state_dict(through_a_file(whole.state_dict()))
        for x in values[split:]:
            add(whole, x)
            add(again, x)
        assert again == whole


@pytest.mark.parametrize("name", ["memory", "lstm", "gru", "none"])
def test_states_of_agents_survive_a_file(name):
    play, other = Play.begin(build(name)), Play.begin(build(name), seed=3)
    play.pass_time(32)
    other.collector.agent_state.load_state_dict(through_a_file(play.collector.agent_state.state_dict()))
    assert_same_state(play.collector.agent_state.state_dict(), other.collector.agent_state.state_dict())


def test_anything_but_a_plain_value_is_refused(trained):
    """The check that the others rely on: a state that holds an array, or a set, is not saved."""
    for wrong in (np.zeros(2), {1, 2}, torch.Generator(), trained):
        with pytest.raises(TypeError, match="is not a plain value"):
            through_a_file({"a": {"b": [wrong]}})
