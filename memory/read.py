"""Reading: multi-head attention of the current state over the valid slots and a learnt null slot.

Letters: B environments, P queries of one environment, S slots, H heads, D embedding width.

Keys and values are linear in the embedding, so their matrices fold into the query and the output
(q (W_k m) = (W_k' q) m): nothing is projected per slot, nor gathered per sample, and a head costs D per slot.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def attend(query: Tensor, slots: Tensor, visible: Tensor, null_key: Tensor, null_value: Tensor) -> tuple[Tensor, Tensor]:
    """Masked attention over slots and the null slot.

    Args:
        query: [B, P, H, D].
        slots: [B, S, D]; what is not visible to any query may hold anything, NaN too.
        visible: [B, P, S] bool.
        null_key, null_value: [H, D], always visible, so that an empty memory can be read.

    Returns:
        What was read [B, P, H, D], and the weights of the slots [B, P, H, S] (the null slot has the rest).
    """
    B, P, H, D = query.shape
    slots = torch.where(visible.any(dim=1)[..., None], slots, 0.0)  # NaN times weight 0 would still be NaN
    scores = torch.bmm(query.reshape(B, P * H, D), slots.transpose(1, 2)).view(B, P, H, -1)
    scores = scores.masked_fill(~visible[:, :, None, :], -torch.inf)
    null_score = (query * null_key).sum(-1, keepdim=True)  # [B, P, H, 1]
    weights = torch.softmax(torch.cat([null_score, scores], dim=-1) * D**-0.5, dim=-1)
    null_weight, slot_weights = weights[..., :1], weights[..., 1:]
    read = torch.bmm(slot_weights.reshape(B, P * H, -1), slots).view(B, P, H, D)
    return read + null_weight * null_value, slot_weights


class MemoryRead(nn.Module):
    """The learnt part of a read: queries from states [B, P, S_width], what was read as [B, P, H * D] normalised."""

    def __init__(self, state_width: int, embedding_width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.width = heads, embedding_width
        self.query = nn.Linear(state_width, heads * embedding_width)
        self.null_key = nn.Parameter(torch.zeros(heads, embedding_width))
        self.null_value = nn.Parameter(torch.zeros(heads, embedding_width))
        self.norm = nn.LayerNorm(heads * embedding_width)

    @property
    def read_width(self) -> int:
        return self.heads * self.width

    def forward(self, state: Tensor, slots: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what was read [B, P, H * D] and the slots' weights [B, P, H, S]."""
        query = self.query(state).view(*state.shape[:2], self.heads, self.width)
        read, weights = attend(query, slots, visible, self.null_key, self.null_value)
        return self.norm(read.flatten(2)), weights
