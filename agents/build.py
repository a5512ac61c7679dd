"""The table that builds agents by name, and what each learns beside PPO. No other code depends on an agent's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from reinstate.agents.codec_learner import CodecLearner
from reinstate.agents.extensions.comparing import ComparingLook
from reinstate.agents.extensions.episodic_replay import EpisodicReplay, EventBonus, EventTerm
from reinstate.agents.extensions.imitation import Imitation
from reinstate.agents.extensions.novelty import NoveltyBonus
from reinstate.agents.extensions.rarity import RarityDraws
from reinstate.agents.extensions.synthetic_returns import SyntheticCredit, SyntheticReturns
from reinstate.agents.interface import Agent, Extras
from reinstate.agents.look import Look
from reinstate.agents.memory_agent import MemoryAgent
from reinstate.agents.memoryless import MemorylessAgent
from reinstate.agents.networks import GRID_CATEGORIES, ObservationSpec
from reinstate.agents.options import LearningOptions
from reinstate.agents.recurrent import CELLS, RecurrentAgent
from reinstate.memory.codec.codec import build_codec
from reinstate.memory.options import MemoryOptions

Make = Callable[[ObservationSpec, int, MemoryOptions], Agent[Any]]


@dataclass(frozen=True)
class Kind:
    """One kind of agent."""

    make: Make
    has_slots: bool = False  # options of the memory, and of learning from its slots, have an effect
    repeats: bool = True  # may repeat an action


def make_memory(spec: ObservationSpec, actions: int, options: MemoryOptions) -> MemoryAgent:
    """The agent with slots; raises ValueError where `code_bits` do not fit the observation."""
    codec = build_codec(spec.kind, spec.shape, GRID_CATEGORIES, options.code_bits)
    return MemoryAgent(spec, actions, options, codec, ComparingLook if options.compare else Look)


def make_memoryless(spec: ObservationSpec, actions: int, options: MemoryOptions) -> MemorylessAgent:
    """The control without a memory."""
    return MemorylessAgent(spec, actions)


def make_recurrent(spec: ObservationSpec, actions: int, options: MemoryOptions, cell: str) -> RecurrentAgent:
    """The control with a recurrent cell."""
    return RecurrentAgent(spec, actions, cell)


KINDS: dict[str, Kind] = {
    "memory": Kind(make_memory, has_slots=True),
    **{cell: Kind(partial(make_recurrent, cell=cell), repeats=False) for cell in CELLS},
    "none": Kind(make_memoryless),
}


def build_extras(agent: Agent[Any], options: LearningOptions, generator: torch.Generator) -> Extras:
    """What `agent` learns and is paid beside PPO: nothing for agents without slots."""
    if not isinstance(agent, MemoryAgent):
        return Extras([], [], [])
    codec = CodecLearner(agent)
    if options.credit == "bootstrap":
        return Extras([], [], [codec])
    draws = RarityDraws()
    novelty = NoveltyBonus(options.novelty_bonus, draws)
    bonuses: list[EventBonus] = [novelty]
    terms: list[EventTerm] = [Imitation(options.imitation_coef)]
    if options.credit == "synthetic":
        net = drawn_from(generator, partial(SyntheticReturns, agent.options.embedding_width))
        synthetic = SyntheticCredit(agent, net)
        bonuses.append(synthetic)
        terms.append(synthetic)
    replay = EpisodicReplay(agent, options.replay_size, options.replay_batch, draws, bonuses, terms)
    return Extras([replay], list(bonuses), [codec])


def drawn_from(generator: torch.Generator, build: Callable[[], SyntheticReturns]) -> SyntheticReturns:
    """A module whose parameters are drawn by `generator`, not by torch's own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        return build()
