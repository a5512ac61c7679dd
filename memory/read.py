"""Reading: multi-head attention of the current state over the valid slots and a learnt null slot.

Letters: B environments, P queries of one environment, S slots, H heads, D embedding width.

Keys and values are linear in the embedding, so their matrices fold into the query and the output
(q (W_k m) = (W_k' q) m): nothing is projected per slot, nor gathered per sample, and a head costs D per slot.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SCORE_CAP = 3.0  # no slot's weight dies, so that a gradient can still find it
QUERY_GAIN = 3.0  # attention starts out selective


def attend(
    query: Tensor, slots: Tensor, address: Tensor, visible: Tensor, null_key: Tensor, null_value: Tensor
) -> tuple[Tensor, Tensor]:
    """Masked attention over slots and the null slot.

    Args:
        query: [B, P, H, D].
        slots: [B, S, D]; what is not visible to any query may hold anything, NaN too.
        address: [B, S, D], added to the slots where they serve as keys.
        visible: [B, P, S] bool.
        null_key, null_value: [H, D], always visible, so that an empty memory can be read.

    Returns:
        What was read [B, P, H, D], and the weights of the slots [B, P, H, S] (the null slot has the rest).
    """
    B, P, H, D = query.shape
    slots = torch.where(visible.any(dim=1)[..., None], slots, 0.0)  # NaN times weight 0 would still be NaN
    scores = torch.bmm(query.reshape(B, P * H, D), (slots + address).transpose(1, 2)).view(B, P, H, -1)
    null_score = (query * null_key).sum(-1, keepdim=True)  # [B, P, H, 1]
    scores = torch.cat([null_score, scores], dim=-1) * D**-0.5
    scores = SCORE_CAP * torch.tanh(scores / SCORE_CAP)
    scores[..., 1:] = scores[..., 1:].masked_fill(~visible[:, :, None, :], -torch.inf)
    weights = torch.softmax(scores, dim=-1)
    null_weight, slot_weights = weights[..., :1], weights[..., 1:]
    read = torch.bmm(slot_weights.reshape(B, P * H, -1), slots).view(B, P, H, D)
    return read + null_weight * null_value, slot_weights


class MemoryRead(nn.Module):
    """The learnt part of a read: queries from states [B, P, S_width], what was read as [B, P, H * D] normalised.

    Every place in the store has a learnt address, so that heads can tell slots apart before their content means
    anything: without it, an even attention over a dozen slots dilutes the one that matters, and the association
    is found in half of the runs only (docs/lab-notes.md).
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
        return self.heads * self.width

    def forward(self, state: Tensor, slots: Tensor, place: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what was read [B, P, H * D] and the slots' weights [B, P, H, S].

        Args:
            state: [B, P, S_width].
            slots: [B, S, D], and their places in the store [B, S].
            visible: [B, P, S] bool.
        """
        query = self.query(state).view(*state.shape[:2], self.heads, self.width)
        read, weights = attend(query, slots, self.address[place], visible, self.null_key, self.null_value)
        return self.norm(read.flatten(2)), weights
