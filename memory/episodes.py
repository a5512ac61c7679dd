"""The slots of finished episodes, kept to be learnt from again.

Letters: E episodes of the buffer, M drawn ones, N slots, n events.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from reinstate.memory.slots import MemoryState, close
from reinstate.memory.tensors import TensorStruct


@dataclass
class Episodes(TensorStruct):
    """Finished episodes: their slots, and how they ended."""

    memory: MemoryState  # [M, N, ...]
    total: Tensor  # [M] float32: sum of all rewards
    length: Tensor  # [M] int64: steps
    terminated: Tensor  # [M] bool: False where the episode was truncated


class EpisodeBuffer:
    """The last `capacity` finished episodes; slots are all that is kept of them."""

    def __init__(self, capacity: int, like: MemoryState) -> None:
        """`like`: a memory of any number of environments; the buffer has its widths and dtypes."""
        self.episodes = Episodes(
            like.map(lambda t: t.new_zeros(capacity, *t.shape[1:])),
            torch.zeros(capacity),
            torch.zeros(capacity, dtype=torch.int64),
            torch.zeros(capacity, dtype=torch.bool),
        )
        self.capacity, self.size, self.next = capacity, 0, 0

    def add(self, memory: MemoryState, total: Tensor, length: Tensor, terminated: Tensor) -> None:
        """Adds n episodes and closes their last slots; the oldest episodes make room."""
        close(memory, torch.arange(len(total)), total.float())
        last = min(len(total), self.capacity)
        place = (self.next + torch.arange(last)) % self.capacity
        ours = self.episodes
        for f in fields(memory):
            kept = getattr(ours.memory, f.name)
            if kept is not None:
                kept[place] = getattr(memory, f.name)[-last:]
        for kept, new in ((ours.total, total), (ours.length, length), (ours.terminated, terminated)):
            kept[place] = new[-last:].to(kept.dtype)
        self.next = (self.next + last) % self.capacity
        self.size = min(self.size + last, self.capacity)

    def sample(self, most: int, generator: torch.Generator, share: Tensor) -> Episodes:
        """Draws up to `most` different episodes, with probabilities in proportion to `share` [size]."""
        return self.episodes.take(torch.multinomial(share, min(most, self.size), generator=generator))

    def state_dict(self) -> dict[str, Any]:
        """Plain values; only the part of the buffer that is filled."""
        filled = torch.arange(self.size)
        return {"episodes": self.episodes.take(filled).state_dict(), "size": self.size, "next": self.next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        self.size, self.next = state["size"], state["next"]
        _put(self.episodes, state["episodes"], self.size)


def _put(kept: TensorStruct, values: dict[str, Any], count: int) -> None:
    for name, value in values.items():
        if isinstance(value, Tensor):
            getattr(kept, name)[:count] = value
        else:
            _put(getattr(kept, name), value, count)


@dataclass
class Events(TensorStruct):
    """Remembered decisions, episode by episode in order of time, and the rewards and steps between them. From slot to
    slot an episode is a semi-Markov process: its rewards are exact sums."""

    episode: Tensor  # [n] int64
    slot: Tensor  # [n] int64: its place in the store
    reward: Tensor  # [n] float32: the rewards until the next event, or until the end
    duration: Tensor  # [n] float32: the steps until then
    follow: Tensor  # [n] int64: the next event of the same episode, -1 for none
    terminal: Tensor  # [n] bool: the episode's last event, and it terminated


def events(episodes: Episodes, eligible: Tensor) -> Events:
    """The events of `episodes`: the slots where `eligible` [M, N] is True."""
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


def older_slots(memory: MemoryState, events: Events) -> Tensor:
    """[n, N] bool: the slots of each event's episode that were written before its own."""
    step = memory.step[events.episode]
    return memory.written[events.episode] & (step < memory.step[events.episode, events.slot][:, None])
