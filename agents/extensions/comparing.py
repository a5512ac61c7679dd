"""Comparing what is seen with what is remembered (`--compare`).

For tasks such as Visual Match, where neither what is seen nor what is remembered says anything alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reinstate.agents.look import Look
from reinstate.agents.networks import STATE_WIDTH, ImageEncoder, ObservationSpec
from reinstate.memory.options import MemoryOptions
from reinstate.memory.read import MemoryRead


class ComparingLook(Look):
    """The present embedding queries the memory, too; policy and critic also see how far it is from what each head read.

    The embedding network of images starts at full size and has a part that says what is in view wherever it is:
    otherwise the comparison is found late or never (docs/log). This was not measured for symbols.
    """

    embeds_present = True

    def __init__(self, options: MemoryOptions) -> None:
        nn.Module.__init__(self)
        width = options.embedding_width
        self.read = MemoryRead(STATE_WIDTH + width, width, options.heads, options.slots)
        self.width = STATE_WIDTH + 2 * self.read.read_width

    @staticmethod
    def embedding_network(spec: ObservationSpec, width: int) -> nn.Module:
        if spec.kind == "image":
            return ImageEncoder(spec.shape, width, anywhere=True)
        return Look.embedding_network(spec, width)

    def forward(
        self, features: Tensor, present: Tensor | None, slots: Tensor, visible: Tensor
    ) -> tuple[Tensor, Tensor]:
        assert present is not None
        read, weights = self.read(torch.cat([features, present], dim=-1), slots, visible)
        return torch.cat([features, read, distance(read, present)], dim=-1), weights


def distance(read: Tensor, present: Tensor) -> Tensor:
    """|what each head read - the present embedding| [n, H * D], from [n, H * D] and [n, D], component by component."""
    repeated = present.repeat(1, read.shape[1] // present.shape[1])
    return (read - repeated).abs()
