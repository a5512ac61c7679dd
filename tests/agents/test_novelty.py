"""The novelty bonus of a chunk and of remembered events."""

from types import SimpleNamespace

import pytest
import torch

from reinstate.agents.novelty import novelty, novelty_of_events
from reinstate.memory.episodes import EpisodeRing, events
from reinstate.memory.rarity import Rarity
from reinstate.memory.store import empty, write
from reinstate.memory.timeline import Timeline

COMMON, SOME, RARE = 1, 2, 3


def put(memory, env, place, code, step=0):
    write(memory, torch.tensor([env]), torch.tensor([place]), code_hash=code, step=step)


def ring_of_episodes():
    """Nine episodes: all hold COMMON, four of them SOME, none RARE."""
    memory = empty(9, 2, width=1, code_bytes=1)
    for env in range(9):
        put(memory, env, 0, COMMON)
        if env < 4:
            put(memory, env, 1, SOME, step=3)
    ring = EpisodeRing(16, memory)
    nothing = torch.zeros(9)
    ring.add(memory, nothing, nothing.long() + 5, nothing.bool())
    return ring


def test_a_chunk_is_paid_for_the_rarest_thing_beyond_what_its_episode_holds():
    """One environment that holds COMMON writes SOME, then RARE, then SOME once more; between them it writes nothing."""
    before = empty(1, 4, width=1, code_bytes=1)
    put(before, 0, 0, COMMON)
    timeline, env = Timeline.begin(before.written), torch.tensor([0])
    for place in (1, None, 2, 3):
        if place is not None:
            timeline.record_write(env, torch.tensor([place]))
        timeline.record_read(env)
    chunk = SimpleNamespace(
        novel=torch.tensor([True, False, True, True]),
        code=torch.tensor([SOME, SOME, RARE, SOME]),
        start=SimpleNamespace(memory=before, timeline=timeline),
    )
    some, rare = torch.log(torch.tensor([10 / 5, 10 / 1])).tolist()
    got = novelty(chunk, Rarity.of(ring_of_episodes(), 0)).tolist()
    assert got == pytest.approx([some, 0.0, rare - some, 0.0])
    assert novelty(chunk, Rarity.of(ring_of_episodes(), 1)).tolist() == [0.0] * 4  # nothing can be compared


def test_remembered_events_are_paid_alike():
    ring = ring_of_episodes()
    drawn = ring.sample(9, torch.Generator().manual_seed(0), torch.ones(9))
    e = events(drawn, drawn.memory.written)
    some = torch.log(torch.tensor(2.0)).item()
    paid = novelty_of_events(e, drawn.memory, Rarity.of(ring, 0))
    assert paid.tolist() == pytest.approx([some if slot == 1 else 0.0 for slot in e.slot.tolist()])
