"""The codec: writes codes with its current version, and reads each code with the version that wrote it.

Codes must stay readable while the autoencoder changes (`training.py`). When it reads better than the current version,
a frozen copy is published as the next version. The last VERSIONS of them are kept. A slot of an older version is no
longer readable and is left out of recalculation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from reinstate.memory.codec import image, tile, vector
from reinstate.memory.codec.autoencoders import Autoencoder, Coder
from reinstate.memory.codec.image import ImageAutoencoder
from reinstate.memory.codec.tile import TileAutoencoder
from reinstate.memory.codec.vector import VectorAutoencoder

VERSIONS = 32


def default_bits(kind: str, shape: tuple[int, ...]) -> int:
    """The bits of a code where none are chosen."""
    if kind == "grid":
        return tile.default_bits(shape)
    return image.default_bits(shape) if kind == "image" else vector.default_bits(shape)


def build_codec(kind: str, shape: Sequence[int], categories: tuple[int, ...], bits: int | None) -> Codec:
    """The codec for observations of `shape`; raises ValueError where `bits` do not fit.

    Args:
        kind: grid, vector or image.
        categories: of a grid: how many values each channel takes.
        bits: of a code; None is the default for this shape.
    """
    bits = default_bits(kind, tuple(shape)) if bits is None else bits
    if kind == "grid":
        return Codec(TileAutoencoder(tuple(shape), categories, bits))
    if kind == "image":
        return Codec(ImageAutoencoder(tuple(shape), bits))
    return Codec(VectorAutoencoder(tuple(shape), bits))


class Codec(nn.Module):
    """The autoencoder in training, and its published versions, which are part of the module's state."""

    def __init__(self, autoencoder: Autoencoder, versions: int = VERSIONS) -> None:
        """`versions`: how many are kept."""
        super().__init__()
        self.autoencoder, self.versions = autoencoder, versions
        self.version = 0
        self.coders: dict[int, Coder] = {0: autoencoder.freeze()}

    @property
    def code_bytes(self) -> int:
        """Bytes of a code."""
        return self.autoencoder.code_bytes

    @property
    def current(self) -> Coder:
        """The version that writes."""
        return self.coders[self.version]

    def readable(self, version: Tensor) -> Tensor:
        """Mask of the slots whose version is still kept; any shape."""
        return version > self.version - self.versions

    def decode(self, codes: Tensor, version: Tensor) -> Tensor:
        """Reinstates observations [n, ...] from codes [n, C], each by the version [n] that wrote it."""
        decoded = self.current.decode(codes)
        for old in torch.unique(version).tolist():
            if old != self.version:
                mask = version == old
                decoded[mask] = self.coders[old].decode(codes[mask])
        return decoded

    def publish(self, coder: Coder) -> None:
        """Makes `coder` the version that writes, and drops the oldest one."""
        self.coders[self.version + 1] = coder
        self.version += 1
        self.coders.pop(self.version - self.versions, None)

    def restart(self) -> None:
        """The scaling of observations has changed: publishes a version that has it. What was written is read with the
        old one."""
        self.autoencoder.restart()
        self.publish(self.autoencoder.freeze())

    def get_extra_state(self) -> dict[str, Any]:
        """The published versions, as plain values."""
        coders = {str(version): coder.state_dict() for version, coder in self.coders.items()}
        return {"version": self.version, "coders": coders}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restores the published versions."""
        coders: dict[int, Coder] = {}
        for version, values in state["coders"].items():
            coders[int(version)] = self.autoencoder.freeze()
            coders[int(version)].load_state_dict(values)
        self.version, self.coders = state["version"], coders
