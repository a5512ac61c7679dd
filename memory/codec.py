"""The codec online: it trains on distinct frames, and can always read what it wrote.

Codes outlive training: a code is decoded by the version of the codec that wrote it. Training moves a copy; when
that copy reads the ring better than the version in use, it is published as the next version. The last VERSIONS
of them are kept. A slot of an older version is no longer readable and is left out of recalculation; once the
codec reads all it writes it rests, and versions stop changing.

Training can get stuck where units are dead and send no gradient: no frame is faithful, and nothing is recalculated any
more. A copy that has not got better for long therefore begins anew, while the version in use goes on writing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from reinstate.memory.autoencoders import Autoencoder, Coder
from reinstate.memory.frame_ring import FrameRing
from reinstate.memory.image_codec import ImageAutoencoder, ImageCoder
from reinstate.memory.tile_codec import TileAutoencoder
from reinstate.memory.vector_codec import VectorAutoencoder

VERSIONS = 32
PATIENCE = 40  # calls of `learn` without a better version until the copy begins anew; then twice as many
BATCH = 256


def build_autoencoder(kind: str, shape: tuple[int, ...], categories: tuple[int, ...], bits: int) -> Autoencoder:
    """The autoencoder for observations of `shape`; raises ValueError where `bits` do not fit.

    Args:
        kind: grid, vector or image.
        categories: of a grid: how many values each channel takes.
        bits: of a code.
    """
    if kind == "grid":
        return TileAutoencoder(shape, categories, bits)
    if kind == "image":
        return ImageAutoencoder(shape, bits)
    return VectorAutoencoder(shape, bits)


class Codec:
    """Autoencoder, its training ring, and the published versions."""

    def __init__(self, autoencoder: Autoencoder, ring: FrameRing, versions: int = VERSIONS) -> None:
        """`versions`: how many are kept."""
        self.autoencoder, self.versions = autoencoder, versions
        self.ring = ring
        self.optimizer = self._new_optimizer()
        self.patience, self.waited = PATIENCE, 0
        self.version = 0
        self.coders: dict[int, Coder] = {0: autoencoder.freeze()}

    @property
    def code_bytes(self) -> int:
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
        decoded = self.coders[self.version].decode(codes)
        for old in version.unique().tolist():
            if old != self.version:
                mask = version == old
                decoded[mask] = self.coders[old].decode(codes[mask])
        return decoded

    def learn(self, updates: int, generator: torch.Generator) -> float:
        """Trains on the ring and publishes the result if it reads the ring better; returns the last loss."""
        found = math.nan
        rows = self.autoencoder.training_set(self.ring.frames[: self.ring.size])
        for _ in range(updates):
            index = torch.randint(len(rows), (BATCH,), generator=generator).to(rows.device)
            loss = self.autoencoder.loss(rows.index_select(0, index))
            found = float(loss.detach())
            for group in self.optimizer.param_groups:
                group["lr"] = self.autoencoder.step_size(found)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
        trained = self.autoencoder.freeze()
        frames = self.ring.sample(BATCH, generator)
        score = self._score(self.current, frames)
        if self._score(trained, frames) > score:
            self.version += 1
            self.coders[self.version] = trained
            self.coders.pop(self.version - self.versions, None)
            self.waited = 0
        elif score < 1.0:
            self._lose_patience(generator)
        return found

    def _lose_patience(self, generator: torch.Generator) -> None:
        """Draws the autoencoder in training anew where it has not got better for too long."""
        self.waited += 1
        if self.waited == self.patience:
            self.autoencoder.begin(generator)
            self.optimizer = self._new_optimizer()
            self.patience, self.waited = 2 * self.patience, 0

    def _new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.autoencoder.parameters())  # `learn` sets its step size

    def figures(self) -> dict[str, float]:
        """For the log: the version that writes, frames in the ring, and the tolerance that was found for images."""
        figures = {"codec/version": float(self.version), "codec/ring_frames": float(self.ring.size)}
        if isinstance(self.current, ImageCoder):
            figures["codec/tolerance"] = float(self.current.net.tolerance)
        return figures

    @staticmethod
    def _score(coder: Coder, frames: Tensor) -> float:
        return float(coder.fidelity(frames, coder.encode(frames)).mean())
