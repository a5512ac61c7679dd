"""Reading: multi-head attention of the current state over the valid slots and a learnt null slot.

Letters: n states that read, S places of the store, H heads, D embedding width.

Keys and values are linear in the embedding, so their matrices fold into the query and the output
(q (W_k m) = (W_k' q) m): nothing is projected per slot, and a head costs D per slot.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SCORE_CAP = 3.0  # keeps every slot's weight above 0, so that a gradient can still find it
QUERY_GAIN = 3.0  # larger than usual: attention starts out selective


def attend(
    query: Tensor, slots: Tensor, address: Tensor, visible: Tensor, null_key: Tensor, null_value: Tensor
) -> tuple[Tensor, Tensor]:
    """Masked attention over slots and the null slot.

    Args:
        query: [n, H, D].
        slots: [n, S, D]; slots that are not visible may hold anything, NaN too.
        address: [S, D], added to the slots where they serve as keys.
        visible: [n, S] bool.
        null_key, null_value: [H, D], always visible, so that an empty memory can be read.

    Returns:
        What was read [n, H, D], and the weights of the slots [n, H, S] (the null slot has the rest).
    """
    slots = slots.masked_fill(~visible[..., None], 0.0)  # NaN times weight 0 would still be NaN
    scores = torch.bmm(query, slots.transpose(1, 2)) + query @ address.T  # [n, H, S]
    null_score = (query * null_key).sum(-1, keepdim=True)  # [n, H, 1]
    scores = torch.cat([null_score, scores], dim=-1) * query.shape[-1] ** -0.5
    scores = SCORE_CAP * torch.tanh(scores / SCORE_CAP)
    hidden = torch.nn.functional.pad(~visible, (1, 0))[:, None]  # [n, 1, 1 + S], the null slot never
    weights = torch.softmax(scores.masked_fill(hidden, -torch.inf), dim=-1)
    null_weight, slot_weights = weights[..., :1], weights[..., 1:]
    return torch.bmm(slot_weights, slots) + null_weight * null_value, slot_weights


class MemoryRead(nn.Module):
    """The learnt part of a read: from states [n, S_width] to what was read [n, H * D], normalised.

    Every place in the store has a learnt address, so that heads can distinguish slots before their content means
    anything. Without it, an even attention over a dozen slots dilutes the one that matters, and the association is
    found in half of the runs only (docs/log).
    """

    def __init__(self, state_width: int, embedding_width: int, heads: int, places: int) -> None:
        super().__init__()
        self.heads, self.width = heads, embedding_width
        self.query = nn.Linear(state_width, heads * embedding_width)
        nn.init.orthogonal_(self.query.weight, QUERY_GAIN)
        nn.init.zeros_(self.query.bias)
        self.address = nn.Parameter(torch.randn(places, embedding_width))
        self.null_key = nn.Parameter(torch.zeros(heads, embedding_width))
        self.null_value = nn.Parameter(torch.zeros(heads, embedding_width))
        self.norm = nn.LayerNorm(heads * embedding_width)

    @property
    def read_width(self) -> int:
        """H * D."""
        return self.heads * self.width

    def forward(self, state: Tensor, slots: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what was read [n, H * D] and the slots' weights [n, H, S].

        Args:
            state: [n, S_width].
            slots: [n, S, D], the first S places of the store.
            visible: [n, S] bool.
        """
        query = self.query(state).view(-1, self.heads, self.width)
        address = self.address[: slots.shape[1]]
        read, weights = attend(query, slots, address, visible, self.null_key, self.null_value)
        return self.norm(read.flatten(1)), weights


def places_in_use(visible: Tensor) -> int:
    """How many of the first places hold all that is visible [n, S]: the rest need not be looked at."""
    used = visible.any(dim=0).nonzero()
    return int(used[-1, 0]) + 1 if len(used) > 0 else 1
