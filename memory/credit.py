"""Credit for remembered decisions beside the exact sums between them: `transport` and `synthetic` returns.

Both work on the events of finished episodes, from slots alone, and say what an event is paid beside its rewards.
(`bootstrap` is advantage estimation within a chunk, `episodic` the same from slot to slot: agents/advantages.py.)

Letters: M episodes, N slots, n events, D embedding width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reinstate.memory.autoencoders import orthogonal
from reinstate.memory.episodes import Events
from reinstate.memory.store import MemoryState

STRONG_READ = 2.0  # times the weight that every slot would have if all were read alike
TRANSPORTED = 0.9  # share of the value that is carried back (TVT's alpha)
HIDDEN = 64
SPREAD = 0.01  # what it costs to explain by all slots what one explains


def transport(weight: Tensor, visible: Tensor, after: Tensor, events: Events, step: Tensor, horizon: float) -> Tensor:
    """Temporal value transport (Hung et al. 2019, arXiv 1810.06721, algorithm 1 of the supplement), slot to slot.

    An event that looks hard at a slot that lies further back than the discount reaches passes it a share of what comes
    after itself, in proportion to how hard it looks: what the discount hides reaches the remembered decision all the
    same. Of an episode's looks at the same slot, the hardest counts (TVT: of a run of consecutive ones).

    Args:
        weight: [n, N], of each event's look at the slots of its episode, mean over heads.
        visible: [n, N] bool: the slots that it could look at, its own among them.
        after: [n], what comes after each event is worth, its own rewards among it.
        step: [M, N], when the slots were written.
        horizon: in steps; younger slots are within the discount's reach (TVT: 1 / (1 - gamma)).

    Returns:
        What each event [n] is paid by later ones.
    """
    hardness = weight * (visible.sum(dim=1, keepdim=True) + 1)  # 1 is an even look at all slots and the null slot
    age = step[events.episode, events.slot][:, None] - step[events.episode]
    hardness = torch.where(visible & (age > horizon) & (hardness >= STRONG_READ), hardness, 0.0)
    of_episode = events.episode[:, None].expand_as(hardness)
    hardest = torch.zeros(step.shape).scatter_reduce(0, of_episode, hardness, "amax")
    looks = (hardness > 0) & (hardness == hardest[events.episode])
    carried = torch.where(looks, TRANSPORTED * weight * after[:, None], 0.0)
    return torch.zeros(step.shape).index_add(0, events.episode, carried)[events.episode, events.slot]


class SyntheticReturns(nn.Module):
    """State-associative learning (Raposo et al. 2021, arXiv 2102.12425, eq. 2): a reward is explained by a gate on what
    is seen now times the sum of what each remembered slot contributes, and by a baseline of what is seen now.

    What a slot contributes is its synthetic return: it is paid at the moment when the slot is written, whenever the
    reward comes. Seen now is the embedding of the event's own slot, and its reward is what came before the next write,
    whether or not that one was evicted: lumps of rewards from further on would drown what belongs to it.
    """

    def __init__(self, embedding_width: int) -> None:
        super().__init__()
        self.contribution, self.gate, self.baseline = (
            nn.Sequential(nn.Linear(embedding_width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)) for _ in range(3)
        )
        orthogonal(self)
        for net in (self.contribution, self.baseline):
            nn.init.zeros_(net[-1].weight)  # nothing is paid before something is known

    def returns(self, embedding: Tensor) -> Tensor:
        """Synthetic returns [...] of slots with these embeddings [..., D]."""
        return self.contribution(embedding).squeeze(-1)

    def forward(self, embedding: Tensor, before: Tensor, events: Events) -> Tensor:
        """What each event [n] is expected to earn before the next write.

        Args:
            embedding: [M, N, D], of all slots.
            before: [n, N] bool: the slots that are older than each event's own.
        """
        remembered = (self.returns(embedding)[events.episode] * before).sum(dim=1)
        now = embedding[events.episode, events.slot]
        return torch.sigmoid(self.gate(now).squeeze(-1)) * remembered + self.baseline(now).squeeze(-1)


def explanation_loss(expected: Tensor, earned: Tensor, returns: Tensor) -> Tensor:
    """huber(expected - earned) + SPREAD returns^2 for each event [n], all in the critic's units.

    Huber's loss (e^2 / 2 up to 1, then |e| - 1 / 2): a door that is worth many apples must not rule the gradient. The
    price is that a large reward which nothing seen tells from its absence counts for less than its mean.
    Without the second term a small gate and large returns of all slots explain as much as an open gate and one return,
    and what is paid to everybody for everything grows without end (docs/lab-notes.md).
    """
    return F.huber_loss(expected, earned, reduction="none") + SPREAD * returns.square()


def older_slots(memory: MemoryState, events: Events) -> Tensor:
    """[n, N] bool: the slots of each event's episode that were written before its own."""
    step = memory.step[events.episode]
    return memory.written[events.episode] & (step < memory.step[events.episode, events.slot][:, None])
