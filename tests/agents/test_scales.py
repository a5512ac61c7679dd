"""The unit of rewards and of observations does not matter; numbers that are not finite, or are huge, change nothing."""

import re

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import VectorWrapper

from reinstate.agents import ppo
from reinstate.agents.build import KINDS
from reinstate.agents.collector import LARGEST, collect, start_collecting
from reinstate.agents.networks import ObservationSpec
from reinstate.agents.units import GROWTH, RewardUnit, in_units
from reinstate.memory.options import MemoryOptions
from tests.agents.counting_env import CountingEnvs
from tests.agents.playing import Play, build, parameters_of
from tests.agents.test_state import state_of
from tests.states import assert_same_state, through_a_file

VECTOR = ObservationSpec("vector", (3,))


class Scaled(VectorWrapper):
    """Rewards and observations are multiplied; nothing is paid before step `start`."""

    def __init__(self, env, reward=1.0, observation=1.0, start=0):
        super().__init__(env)
        self.by, self.observed, self.start, self.steps = reward, observation, start, 0

    def reset(self, **options):
        observation, info = self.env.reset(**options)
        return self.seen(observation), info

    def step(self, actions):
        observation, reward, terminated, truncated, info = self.env.step(actions)
        self.steps += 1
        for i in np.flatnonzero(terminated | truncated):
            info["final_obs"][i] = self.seen(info["final_obs"][i])
        return self.seen(observation), reward * self.by * (self.steps > self.start), terminated, truncated, info

    def seen(self, observation):
        return observation if self.observed == 1.0 else (observation * self.observed).astype(np.float32)


def maze(**scaled):
    return Scaled(gymnasium.make_vec("Reinstate/GridTMazePassive-v0", 6, length=4), **scaled)


def vectors(**scaled):
    return Scaled(gymnasium.make_vec("Reinstate/TMazePassive-v0", 6, length=5), **scaled)


def agent_of(spec, name, actions, **options):
    torch.manual_seed(0)
    return KINDS[name].make(spec, actions, MemoryOptions(**{"slots": 8, **options}))


def learnt(play, updates=3):
    play.agent.extend_ranges(torch.from_numpy(play.collector.observation))
    play.learn(updates)
    return parameters_of(play.agent)


@pytest.mark.parametrize(
    ("name", "learning", "start"),
    [
        ("memory", {}, 0),
        ("memory", {"credit": "synthetic"}, 20),
        ("memory", {"credit": "bootstrap"}, 20),
        ("gru", {}, 0),
        ("none", {}, 20),
    ],
)
def test_rewards_in_another_unit_are_learnt_from_to_the_bit(name, learning, start):
    """Powers of two, which floats are multiplied by exactly; with a first phase, too, in which nothing is paid but the
    novelty bonus."""
    found = [
        learnt(Play.begin(build(name), envs=maze(reward=2.0**power, start=start), **learning)) for power in (0, 20, -20)
    ]
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


@pytest.mark.parametrize("name", ["memory", "lstm", "none"])
def test_observations_in_another_unit_are_learnt_from_alike(name):
    """Up to rounding: equal observations are grouped by their bytes, and sums have another order."""
    spec = ObservationSpec("vector", (2,))
    found = []
    for power in (0, 17, -10):
        play = Play.begin(agent_of(spec, name, 4), envs=vectors(observation=2.0**power))
        found.append(learnt(play))
        if name == "memory":
            play.memory.fidelity[~play.memory.written] = 1.0
            assert bool((play.memory.fidelity == 1.0).all()), "the codec reads what was written"
    for other in found[1:]:
        torch.testing.assert_close(found[0], other, atol=1e-3, rtol=0.0)


def test_the_unit_is_the_largest_reward_and_grows_at_most_a_hundredfold():
    unit = RewardUnit()
    assert unit.grow(0.0) == 1.0 and float(unit.known) == 1.0
    assert unit.grow(0.25) == 1.0 and float(unit.size) == 0.25  # nothing is in an older unit
    assert unit.grow(0.125) == 1.0 and float(unit.size) == 0.25
    assert unit.grow(0.5) == 0.5 and float(unit.size) == 0.5
    assert unit.grow(1e15) == pytest.approx(1 / GROWTH) and float(unit.size) == 0.5 * GROWTH
    assert unit(torch.tensor([10.0, -200.0])).tolist() == pytest.approx([0.2, -1.0])
    assert unit.sums(torch.tensor([100.0, 100.0]), torch.tensor([1.0, 4.0])).tolist() == [1.0, 2.0]


def test_an_open_decision_has_the_unit_of_its_own_rollout():
    """The unit grows between: its value counts in the new one."""
    play = Play.begin(build("none"))
    rollout = play.collect(8)
    d, unit = rollout.decision, play.agent.encode_state.unit
    d.unit[:3], d.unit[3:] = torch.tensor([0.0, 0.5, 2.0]), 2.0
    unit.size.fill_(4.0)
    scaled = in_units(rollout, unit, 0.5)
    factor = torch.full_like(d.value, 0.5)
    factor[:2] = torch.tensor([1.0, 0.125])
    assert torch.equal(scaled.decision.value, factor * d.value)
    assert torch.equal(scaled.decision.scale, factor * d.scale)
    assert torch.equal(scaled.outcome.next_value, 0.5 * rollout.outcome.next_value)


def test_values_do_not_change_when_the_unit_grows():
    """In rewards: the critic's values, the running statistics."""
    play = Play.begin(build("none"))
    play.learn(3)
    rollout = play.collect()
    i, heads, learner, unit = rollout.inputs, play.agent.heads, play.learner, play.agent.encode_state.unit

    def in_rewards():
        features = play.agent.encode_state(i.unique, i.prev_action, torch.zeros_like(i.prev_reward))
        _, value, _ = heads(features, i.time)
        t = learner.targets
        return float(unit.known) * torch.cat([value, torch.tensor([t.mean, t.std, learner.reward_rate.rate])])

    before = in_rewards()
    factor = unit.grow(3 * float(unit.known))
    heads.change_unit(factor)
    learner.change_unit(factor)
    torch.testing.assert_close(in_rewards(), before)


class OneReward(Scaled):
    """One step of one environment pays `odd`."""

    def __init__(self, env, odd, at):
        super().__init__(env)
        self.odd, self.at = odd, at

    def step(self, actions):
        observation, reward, *rest = super().step(actions)
        if self.steps == self.at:
            reward[2] = self.odd
        return observation, reward, *rest


def test_one_huge_reward_does_no_lasting_harm():
    """It counts as a hundred times the largest before, in every way in which it comes back: as a target, as what was
    seen before a decision, as an episode to learn from again."""
    play = Play.begin(build(), envs=OneReward(maze(), 1e15, at=50), credit="synthetic")
    log = play.learn(6)
    assert play.agent.encode_state.unit.size == GROWTH * 0.25  # the penalty of a step
    assert bool((play.replay.buffer.episodes.total > 1e14).any()) and abs(log["train/reward_rate"]) < GROWTH
    assert float(play.agent.heads.value_std) < 10 and bool(parameters_of(play.agent).abs().max() < 100)


@pytest.mark.parametrize("odd", [1e30, np.inf, -np.inf, np.nan])
def test_a_reward_that_cannot_be_learnt_from_is_refused_with_its_place(odd):
    play = Play.begin(build("none"), envs=OneReward(maze(), odd, at=17))
    with pytest.raises(FloatingPointError, match="environment 2 returned the reward .* at step 17 of") as e:
        play.learn(3)
    for part in (f"the reward {odd:g} ", "(102 environment steps in all)", f"{LARGEST:g}"):
        assert part in str(e.value)


class OddObservations(CountingEnvs):
    """The observation of environment 1 has `odd` in it at steps of this number."""

    odd, at = 0.0, 3

    def _observe(self):
        seen = super()._observe()
        if self.step_of[1] == self.at:
            seen[1, 2] = self.odd
        return seen


@pytest.mark.parametrize("odd", [1e30, -np.inf, np.nan])
def test_an_observation_that_cannot_be_learnt_from_is_refused_with_its_place(odd):
    agent, named = agent_of(VECTOR, "none", 2), re.escape(f"environment 1 returned the observation {odd:g} ")
    envs = OddObservations([4, 9], [True, True])
    envs.odd = odd
    c = start_collecting(envs, agent, [0, 1], None, True)
    with pytest.raises(FloatingPointError, match=named + r"at step 3 .*\(6 env"):
        collect(envs, agent, c, 8, 100)
    envs = OddObservations([4, 3], [True, True])  # the last one of a truncated episode
    envs.odd = odd
    c = start_collecting(envs, agent, [0, 1], None, True)
    with pytest.raises(FloatingPointError, match=named + "at the end of"):
        collect(envs, agent, c, 8, 100)
    envs.at = 0
    with pytest.raises(FloatingPointError, match=named + "at its first reset"):
        start_collecting(envs, agent, [0, 1], None, True)


@pytest.mark.parametrize("earlier", [0, 2])
def test_an_update_that_fails_in_its_third_epoch_changes_nothing(monkeypatch, earlier):
    """Agent, optimiser and running statistics; the optimiser has not begun, or has."""
    play = Play.begin(build(), envs=maze(reward=5.0))
    play.learn(earlier)
    rollout = play.collect()
    before, calls, clip = through_a_file(state_of(play)), [], ppo.clip

    def break_the_third(groups, most):
        calls.append(1)
        if len(calls) == 3:
            groups[-1][0].grad[0] = torch.nan
        return clip(groups, most)

    monkeypatch.setattr(ppo, "clip", break_the_third)
    with pytest.raises(
        FloatingPointError, match="gradient is not finite .*learning has diverged; lower --learning-rate"
    ):
        ppo.update(play.agent, rollout, play.learner, 0.0)
    after = state_of(play)
    for state in (before, after):
        del state["learner"]["generator"], state["learner"]["optimizer"]["param_groups"]
    assert_same_state(after, before)


@pytest.mark.parametrize("name", ["memory", "lstm", "none"])
def test_learning_goes_on_from_its_state_in_any_unit(name):
    """Two updates after loading equal two without: unit, ranges, and what follows from them are part of the state."""
    spec = ObservationSpec("vector", (2,))

    def begin(seed):
        play = Play.begin(agent_of(spec, name, 4), seed, envs=vectors(observation=1e5, reward=1e-6), replay_batch=4)
        if seed == 0:
            play.agent.extend_ranges(torch.from_numpy(play.collector.observation))
        return play

    play, fresh = begin(0), begin(1)
    play.learn(2)
    assert 0 < play.agent.encode_state.unit.size < 1e-5
    assert play.agent.encode_state.observation.range.scale.min() > 1e4
    environments, state = play.envs.env.get_state(), through_a_file(state_of(play))
    for part, values in state.items():
        getattr(fresh, part).load_state_dict(values)
    fresh.envs.env.set_state(environments)
    assert_same_state(state_of(fresh), state)
    play.learn(2)
    fresh.learn(2)
    assert_same_state(state_of(fresh), state_of(play))
