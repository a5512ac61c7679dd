"""The novelty bonus of a rollout and of remembered events."""

from types import SimpleNamespace

import pytest
import torch

from reinstate.agents.extensions.novelty import NoveltyBonus, surprise_in_rollout, surprise_of_events
from reinstate.agents.extensions.rarity import Rarity, RarityDraws
from reinstate.agents.memory_agent import MemoryRecord
from reinstate.memory.episodes import EpisodeBuffer, events
from reinstate.memory.slots import empty, write
from reinstate.memory.visibility import Visibility

COMMON, SOME, RARE = 1, 2, 3


def put(memory, env, place, code, step=0):
    write(memory, torch.tensor([env]), torch.tensor([place]), code_hash=code, step=step)


def buffer_of_episodes():
    """Nine episodes: all hold COMMON, four of them SOME, none RARE."""
    memory = empty(9, 2, width=1, code_bytes=1)
    for env in range(9):
        put(memory, env, 0, COMMON)
        if env < 4:
            put(memory, env, 1, SOME, step=3)
    buffer = EpisodeBuffer(16, memory)
    nothing = torch.zeros(9)
    buffer.add(memory, nothing, nothing.long() + 5, nothing.bool())
    return buffer


def rollout_that_writes():
    """One environment that holds COMMON writes SOME, then RARE, then SOME once more; between them it writes nothing."""
    before = empty(1, 4, width=1, code_bytes=1)
    put(before, 0, 0, COMMON)
    visibility, env = Visibility.begin(before.written), torch.tensor([0])
    for place in (1, None, 2, 3):
        if place is not None:
            visibility.record_write(env, torch.tensor([place]))
        visibility.record_read(env)
    wrote, code = torch.tensor([True, False, True, True]), torch.tensor([SOME, SOME, RARE, SOME])
    decision = SimpleNamespace(wrote=wrote, code=code, value=torch.zeros(4))
    return SimpleNamespace(decision=decision, record=MemoryRecord(before, visibility))


some_surprise, rare_surprise = torch.log(torch.tensor([10 / 5, 10 / 1])).tolist()
IN_ROLLOUT = [some_surprise, 0.0, rare_surprise - some_surprise, 0.0]


def test_a_rollout_is_paid_for_the_rarest_thing_beyond_what_its_episode_holds():
    rollout, buffer = rollout_that_writes(), buffer_of_episodes()
    assert surprise_in_rollout(rollout, Rarity.of(buffer, 0)).tolist() == pytest.approx(IN_ROLLOUT)
    assert surprise_in_rollout(rollout, Rarity.of(buffer, 1)).tolist() == [0.0] * 4  # nothing can be compared
    rollout.decision.wrote[:] = False
    assert surprise_in_rollout(rollout, Rarity.of(buffer, 0)).tolist() == [0.0] * 4


def remembered(buffer):
    """All nine episodes, each event 0 or 1 by its slot: COMMON or SOME."""
    drawn = buffer.sample(9, torch.Generator().manual_seed(0), torch.ones(9))
    e = events(drawn, drawn.memory.written)
    return SimpleNamespace(episodes=drawn, replay=SimpleNamespace(events=e, value=torch.zeros(len(e.slot))))


def test_remembered_events_are_paid_alike():
    buffer = buffer_of_episodes()
    r = remembered(buffer)
    paid = surprise_of_events(r.replay.events, r.episodes.memory, Rarity.of(buffer, 0))
    expected = [some_surprise if slot == 1 else 0.0 for slot in r.replay.events.slot.tolist()]
    assert paid.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("progress", "coef"), [(0.0, 0.5), (0.5, 0.25), (1.0, 0.0)])
def test_the_bonus_falls_to_0_over_the_run(progress, coef):
    draws, buffer = RarityDraws(), buffer_of_episodes()
    bonus, update = NoveltyBonus(0.5, draws), SimpleNamespace(rollout=rollout_that_writes(), progress=progress)
    r = remembered(buffer)
    assert not bonus.of_rollout(update).any() and not bonus.of_events(r, update).any()  # nothing is known yet
    draws.begin_update(buffer, 0)
    assert bonus.of_rollout(update).tolist() == pytest.approx([coef * x for x in IN_ROLLOUT])
    paid = bonus.of_events(r, update)
    assert paid.tolist() == pytest.approx([coef * some_surprise * slot for slot in r.replay.events.slot.tolist()])
