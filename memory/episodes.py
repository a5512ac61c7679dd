"""The slots of finished episodes, kept to be learnt from again.

Letters: E episodes of the ring, M drawn ones, N slots, n events.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from reinstate.memory.store import MemoryState, settle


@dataclass
class Episodes:
    """Finished episodes: their slots, and how they ended."""

    memory: MemoryState  # [M, N, ...]
    total: Tensor  # [M] float32: sum of all rewards
    length: Tensor  # [M] int64: steps
    terminated: Tensor  # [M] bool: else cut


class EpisodeRing:
    """The last `capacity` finished episodes; slots are all that is kept of them."""

    def __init__(self, capacity: int, like: MemoryState) -> None:
        """`like`: a memory whose widths and dtypes the ring takes, of any number of environments."""
        kept = {f.name: getattr(like, f.name) for f in fields(like)}
        self.memory = MemoryState(
            **{k: None if v is None else v.new_zeros(capacity, *v.shape[1:]) for k, v in kept.items()}
        )
        self.total = torch.zeros(capacity)
        self.length = torch.zeros(capacity, dtype=torch.int64)
        self.terminated = torch.zeros(capacity, dtype=torch.bool)
        self.size, self.next = 0, 0

    def add(self, memory: MemoryState, total: Tensor, length: Tensor, terminated: Tensor) -> None:
        """Takes up n episodes, the oldest make room; what the last slots of `memory` earned is filled in there."""
        settle(memory, torch.arange(len(total)), total.float())
        capacity = len(self.total)
        last = min(len(total), capacity)
        place = (self.next + torch.arange(last)) % capacity
        for f in fields(memory):
            kept = getattr(self.memory, f.name)
            if kept is not None:
                kept[place] = getattr(memory, f.name)[-last:]
        for kept, new in ((self.total, total), (self.length, length), (self.terminated, terminated)):
            kept[place] = new[-last:].to(kept.dtype)
        self.next = (self.next + last) % capacity
        self.size = min(self.size + last, capacity)

    def sample(self, most: int, generator: torch.Generator, share: Tensor) -> Episodes:
        """At most `most` different episodes at random, drawn with probabilities in proportion to `share` [E]."""
        index = torch.multinomial(share, min(most, self.size), generator=generator)
        return Episodes(self.memory.rows(index), self.total[index], self.length[index], self.terminated[index])


@dataclass
class Events:
    """Remembered decisions, episode by episode in order of time, and what lies between them: from slot to slot an
    episode is a semi-Markov process, whose rewards are exact sums."""

    episode: Tensor  # [n] int64
    slot: Tensor  # [n] int64: its place in the store
    reward: Tensor  # [n] float32: the rewards until the next event, or until the end
    duration: Tensor  # [n] float32: the steps until then
    follow: Tensor  # [n] int64: the next event of the same episode, -1 for none
    terminal: Tensor  # [n] bool: the episode's last event, and it terminated


def events(episodes: Episodes, eligible: Tensor) -> Events:
    """The events of `episodes`: the slots where `eligible` [M, N] says so."""
    memory = episodes.memory
    M, N = eligible.shape
    step = torch.where(eligible, memory.step, torch.iinfo(torch.int32).max)
    order = step.argsort(dim=1, stable=True)  # [M, N]
    count = eligible.sum(dim=1)
    listed = torch.arange(N) < count[:, None]  # [M, N] in order of time
    episode = torch.arange(M)[:, None].expand(M, N)[listed]
    slot = order[listed]
    last = (torch.arange(N) == count[:, None] - 1)[listed]
    paid = memory.paid[episode, slot]
    time = memory.step[episode, slot].float()
    after_paid = torch.where(last, episodes.total[episode], paid.roll(-1))
    after_time = torch.where(last, episodes.length[episode].float(), time.roll(-1))
    follow = torch.where(last, -1, torch.arange(1, len(slot) + 1))
    terminal = last & episodes.terminated[episode]
    return Events(episode, slot, after_paid - paid, after_time - time, follow, terminal)


def visible_then(memory: MemoryState, events: Events) -> Tensor:
    """[n, N] bool: the slots that each event could read, its own among them; slots that were evicted before the end
    are missing."""
    step = memory.step[events.episode]  # [n, N]
    return memory.written[events.episode] & (step <= memory.step[events.episode, events.slot][:, None])
