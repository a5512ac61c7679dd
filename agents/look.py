"""How an agent looks into its memory, and the network that embeds what is written there.

Letters: n decisions, N slots, H heads, D embedding width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reinstate.agents.networks import STATE_WIDTH, ImageEncoder, ObservationSpec, TileEncoder, build_encoder
from reinstate.memory.options import MemoryOptions
from reinstate.memory.read import MemoryRead

# f starts small, so that gradients soon outgrow its random features. It then recognises the cue of a crowded room after
# about 2,000 labelled scenes; with a deviation of 1, after 4,700 to 16,200 (benchmarks/measures/first_scenes.py).
START = 0.01


class Look(nn.Module):
    """Features of the current state query the memory; policy and critic see both, [n, width]."""

    embeds_present = False  # True where `forward` needs the embedding of the current observation

    def __init__(self, options: MemoryOptions) -> None:
        super().__init__()
        self.read = MemoryRead(STATE_WIDTH, options.embedding_width, options.heads, options.slots)
        self.width = STATE_WIDTH + self.read.read_width

    @staticmethod
    def embedding_network(spec: ObservationSpec, width: int) -> nn.Module:
        """The encoder inside f."""
        encoder = build_encoder(spec, width)
        if isinstance(encoder, (TileEncoder, ImageEncoder)):
            encoder.start_small(START)
        return encoder

    def forward(
        self, features: Tensor, present: Tensor | None, slots: Tensor, visible: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What policy and critic see [n, width], and the slots' weights [n, H, N].

        Args:
            features: [n, STATE_WIDTH] of the current state.
            present: [n, D] embedding of the current observation, where `embeds_present`.
            slots: [n, N, D].
            visible: [n, N] bool.
        """
        read, weights = self.read(features, slots, visible)
        return torch.cat([features, read], dim=-1), weights
