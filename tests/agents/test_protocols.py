"""Every part offers what its protocol asks for, with the same arguments; its own where the protocol does nothing."""

import inspect
from typing import Protocol

import numpy as np
import pytest
import torch

from reinstate.agents.action_repeat import ActionRepeat
from reinstate.agents.build import KINDS, build_extras
from reinstate.agents.extensions.episodic_replay import Draws, EventBonus, EventTerm
from reinstate.agents.extensions.rarity import RarityDraws
from reinstate.agents.interface import Agent, LossTerm, RewardBonus, RolloutRecord, SideLearner, Stateful
from reinstate.agents.options import LearningOptions
from reinstate.agents.statistics import EpisodeLength, RewardRate, RunningMoments
from tests.agents.playing import LONGEST, Play, build, generator


def members(protocol):
    """What a protocol asks for: methods with their signatures, attributes with None."""
    found = {}
    for base in reversed(protocol.__mro__):
        if base in (object, Protocol) or not getattr(base, "_is_protocol", False):
            continue
        found |= dict.fromkeys(base.__dict__.get("__annotations__", {}))
        found |= {n: m for n, m in vars(base).items() if inspect.isfunction(m) and not n.startswith("_")}
    return found


def arguments(function):
    """Names of the arguments, and whether they may be left out."""
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.default is not p.empty) for p in parameters if p.name != "self"]


def assert_satisfies(thing, protocol):
    asked = members(protocol)
    assert asked
    for name, method in asked.items():
        assert hasattr(thing, name), f"{type(thing).__name__} has no {name}"
        if method is not None and type(thing).__module__.startswith("reinstate."):
            ours = inspect.getattr_static(type(thing), name)
            if getattr(ours, "__module__", "").startswith("reinstate."):  # modules inherit some from torch
                asked_for, taken = arguments(method), arguments(ours)
                more = taken[len(asked_for) :]
                assert taken[: len(asked_for)] == asked_for, f"{type(thing).__name__}.{name}"
                assert all(optional for _, optional in more), f"{type(thing).__name__}.{name}"


@pytest.mark.parametrize("name", KINDS)
def test_agents(name):
    agent = build(name)
    assert_satisfies(agent, Agent)
    play = Play.begin(agent)
    assert_satisfies(agent.begin_rollout(play.collector.agent_state), RolloutRecord)
    assert agent.decides_every_step in (True, False)
    trained = {id(p) for group in agent.parameter_groups() for p in group}
    assert trained <= {id(p) for p in agent.parameters()}


@pytest.mark.parametrize("credit", ["bootstrap", "episodic", "synthetic"])
def test_extensions(credit):
    """They inherit from protocols whose methods do nothing: what makes each of them useful is its own."""
    extras = build_extras(build(), LearningOptions(credit=credit), generator())
    assert bool(extras.terms) == bool(extras.bonuses) == (credit != "bootstrap")
    for term in extras.terms:
        assert_satisfies(term, LossTerm)
        assert type(term).loss is not LossTerm.loss and type(term).episodes_ended is not LossTerm.episodes_ended
        assert_satisfies(term.draws, Draws)
        for event_term in term.terms:
            assert_satisfies(event_term, EventTerm)
            assert type(event_term).loss is not EventTerm.loss
    for bonus in extras.bonuses:
        assert_satisfies(bonus, RewardBonus)
        assert_satisfies(bonus, EventBonus)
        assert type(bonus).of_rollout is not RewardBonus.of_rollout
        assert type(bonus).of_events is not EventBonus.of_events
    for side_learner in extras.side_learners:
        assert_satisfies(side_learner, SideLearner)
        assert type(side_learner).learn is not SideLearner.learn
    assert type(RarityDraws()).shares is not Draws.shares


class Quiet(LossTerm):
    """A term that adds nothing."""

    def loss(self, update, log):
        return None


class Idle(SideLearner):
    """A side learner that learns nothing."""

    def learn(self, rollout, generator):
        return {"idle": 1.0}


def test_a_part_need_only_write_how_it_learns():
    """All else is done for it, while episodes end and the update goes on."""
    term, side, play = Quiet(), Idle(), Play.begin(build("none"))
    play.learner.extras.terms.append(term)
    play.learner.extras.side_learners.append(side)
    log = play.learn(1, steps=LONGEST)
    assert "train/entropy" in log and log["idle"] == 1.0
    assert term.describe() == side.describe() == "" and list(term.parameters()) == [] and term.state_dict() == {}
    play.learner.load_state_dict(play.learner.state_dict())


def test_what_a_run_remembers(trained):
    memory = trained.agent
    parts = [trained.learner, trained.collector, memory, memory.codec, trained.frames, trained.replay.buffer]
    parts += [trained.collector.agent_state, trained.collector.pending, trained.collector.repeat]
    parts += [*trained.learner.extras.side_learners, trained.learner.extras.side_learners[0].training]
    parts += [RewardRate(), EpisodeLength(), RunningMoments(), ActionRepeat.begin(2, 1.0)]
    parts += [trained.collect().record, trained.collect().record.visibility]
    for part in parts:
        assert_satisfies(part, Stateful)


def test_an_open_decision_cannot_be_repeated_by_an_agent_that_decides_at_every_step():
    lstm = Play.begin(build("lstm"))
    record = lstm.agent.begin_rollout(lstm.collector.agent_state)
    with pytest.raises(RuntimeError, match="decides at every step"):
        record.repeat(torch.from_numpy(np.array([0])))
