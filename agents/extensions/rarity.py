"""How rare codes are among the last finished episodes, and draws that favour episodes with a rare code.

Codes of different versions of the codec cannot be compared, so only those of one version count. A slot that was evicted
before the end of its episode does not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reinstate.agents.extensions.episodic_replay import Draws
from reinstate.memory.episodes import EpisodeBuffer


@dataclass(frozen=True)
class Rarity:
    """Which episodes hold which codes, counted once."""

    version: int
    codes: Tensor  # [k] int64, ascending
    count: Tensor  # [k] int64: episodes that hold each
    episodes: int  # E: those that hold any
    share_of_draws: Tensor  # [size of the buffer] probabilities

    @classmethod
    def of(cls, buffer: EpisodeBuffer, version: int) -> Rarity:
        """Counts the codes of the codec's version `version`."""
        memory, size = buffer.episodes.memory, buffer.size
        same = memory.written[:size] & (memory.version[:size] == version)
        holder, code = same.nonzero()[:, 0], memory.code_hash[:size][same]
        codes, place = torch.unique(code, return_inverse=True)
        # An episode counts once, however often it wrote a code.
        pairs = torch.unique(holder * max(len(codes), 1) + place)
        holder, place = pairs // max(len(codes), 1), pairs % max(len(codes), 1)
        count = place.bincount(minlength=len(codes))
        return cls(version, codes, count, len(torch.unique(holder)), share_of_draws(size, holder, 1 / count[place]))

    def surprise(self, code_hash: Tensor, code_version: Tensor) -> Tensor:
        """-log((e + 1) / (E + 1)) of codes that e of the E episodes hold, in the shape of `code_hash`: 0 for what every
        episode sees, and for codes of other versions."""
        if self.episodes == 0:
            return torch.zeros(code_hash.shape)
        place = torch.searchsorted(self.codes, code_hash).clamp(max=len(self.codes) - 1)
        held = torch.where(self.codes[place] == code_hash, self.count[place], 0)
        return torch.where(code_version == self.version, -torch.log((held + 1) / (self.episodes + 1)), 0.0)


class RarityDraws(Draws):
    """Draws finished episodes by `share_of_draws`, counted once an update."""

    rarity: Rarity | None = None

    def begin_update(self, buffer: EpisodeBuffer, version: int) -> None:
        self.rarity = Rarity.of(buffer, version)

    def shares(self) -> Tensor:
        assert self.rarity is not None
        return self.rarity.share_of_draws


def share_of_draws(episodes: int, holder: Tensor, rarity: Tensor) -> Tensor:
    """Probabilities [E] of drawing episodes: half of the draws go evenly, half by the rarest code of an episode.

    By rarity an episode weighs 1 / e, where e is the number of episodes that hold its rarest code. A code that two of
    thousands of episodes hold is then drawn as often as one that half of them hold. Where no code can be compared, all
    draws go evenly.

    Args:
        holder: [p] int64, an episode.
        rarity: [p], 1 / e of a code that it holds.
    """
    even = torch.full((episodes,), 1 / max(episodes, 1))
    if len(holder) == 0:
        return even
    rarest = torch.zeros(episodes).scatter_reduce(0, holder, rarity, "amax")
    return 0.5 * even + 0.5 * rarest / rarest.sum()


def beyond(surprise: Tensor, slots: Tensor, visible: Tensor) -> Tensor:
    """By how much a surprise [n] exceeds those [n, N] of the slots that were `visible` [n, N] before it."""
    before = slots.masked_fill(~visible, 0.0).amax(dim=1)
    return (surprise - before).clamp(min=0.0)
