"""Training the codec online, on distinct frames.

The codec trains until it reads all that it writes, and then rests. Training can get stuck where units are dead and
send no gradient: no frame is faithful, and nothing is recalculated any more. So an autoencoder that has not improved
for long is drawn anew, while the current version goes on writing.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from reinstate.memory.codec.autoencoders import Coder
from reinstate.memory.codec.codec import Codec
from reinstate.memory.codec.frames import FrameBuffer
from reinstate.memory.optimizers import load_optimizer_state, optimizer_state

PATIENCE = 40  # calls of `train` without a better version before the autoencoder is drawn anew; doubled each time
SCORED = 256  # frames by which two versions are compared


class CodecTraining:
    """The codec's frames, its optimiser, and its patience."""

    def __init__(self, codec: Codec, frames: FrameBuffer, updates: int, min_fidelity: float) -> None:
        """`updates`: gradient steps of one `learn`, taken while a written frame has less than `min_fidelity`."""
        self.codec, self.frames, self.updates, self.min_fidelity = codec, frames, updates, min_fidelity
        self.optimizer = self._new_optimizer()
        self.patience, self.waited = PATIENCE, 0

    def learn(self, written: Tensor, generator: torch.Generator) -> dict[str, float]:
        """Adds the frames that were just written, [n, ...], and trains unless the codec reads all of them.

        Returns:
            Figures for the log; none where nothing was written.
        """
        if len(written) == 0:
            return {}
        coder = self.codec.current
        fidelity = coder.fidelity(written, coder.encode(written))
        faithful = float((fidelity >= self.min_fidelity).float().mean())
        self.frames.add(written)
        log = {"codec/fidelity": float(fidelity.mean()), "codec/faithful": faithful}
        if faithful < 1.0:
            log["codec/loss"] = self.train(self.updates, generator)
        return log

    def train(self, updates: int, generator: torch.Generator) -> float:
        """Trains on the frames and publishes the result if it reads them better; returns the last loss."""
        autoencoder, found = self.codec.autoencoder, math.nan
        rows = autoencoder.training_set(self.frames.frames[: self.frames.size])
        for _ in range(updates):
            index = torch.randint(len(rows), (autoencoder.batch_size,), generator=generator).to(rows.device)
            loss = autoencoder.loss(rows.index_select(0, index))
            found = float(loss.detach())
            for group in self.optimizer.param_groups:
                group["lr"] = autoencoder.step_size(found)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        trained = autoencoder.freeze()
        frames = self.frames.sample(SCORED, generator)
        score = _score(self.codec.current, frames)
        if _score(trained, frames) > score:
            self.codec.publish(trained)
            self.waited = 0
        elif score < 1.0:
            self._lose_patience(generator)
        return found

    def figures(self) -> dict[str, float]:
        """For the log: the version that writes, the frames kept, and the coder's own figures."""
        kept = {"codec/version": float(self.codec.version), "codec/frames": float(self.frames.size)}
        return kept | {f"codec/{name}": value for name, value in self.codec.current.figures().items()}

    def state_dict(self) -> dict[str, Any]:
        """Plain values; the codec's own are in its state."""
        return {
            "frames": self.frames.state_dict(),
            "optimizer": optimizer_state(self.optimizer),
            "patience": self.patience,
            "waited": self.waited,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        self.frames.load_state_dict(state["frames"])
        load_optimizer_state(self.optimizer, state["optimizer"])
        self.patience, self.waited = state["patience"], state["waited"]

    def _lose_patience(self, generator: torch.Generator) -> None:
        """Draws the autoencoder anew when it has not improved for too long."""
        self.waited += 1
        if self.waited == self.patience:
            self.codec.autoencoder.begin(generator)
            self.optimizer = self._new_optimizer()
            self.patience, self.waited = 2 * self.patience, 0

    def _new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.codec.autoencoder.parameters())  # `train` sets its step size


def _score(coder: Coder, frames: Tensor) -> float:
    return float(coder.fidelity(frames, coder.encode(frames)).mean())
