"""Recalculation: how a gradient crosses the memory.

Backward through a read gives g = dL/dm for every remembered embedding m = f(o), but o and the activations of
f are gone. What is left of o is a code of a few bytes. So the observation is reinstated, o' = decode(code), the
embedding is recalculated, e = f(o'), and g is sent through this fresh forward pass into the parameters of f:

    direct     (de/dtheta)^T g                       the stored slot's gradient, applied at the recalculated point
    target     gradient of |e - (m - eta g)|^2 / (2 eta)  =  direct + (de/dtheta)^T (e - m) / eta
    oracle     direct, with the true o in place of o'     (kept for this purpose only: diagnosis)
    refresh    e takes the place of m in the forward pass, so autograd does the rest
    truncated  nothing; slots of the current rollout still send theirs
    none       nothing, from no slot

Slots written in the current rollout are on the graph; those written earlier are leaves, whose gradient arrives here.
Slots of equal codes have the same e, so their gradients are summed and f runs once for each unique code: corridors
and junctions look alike in all environments. The K unique codes with the largest summed gradient are recalculated.
Letters: B environments, N slots, D embedding width, S some of all slots, K unique codes.
(Hansen 2017, arXiv 1701.03866, gives the idea; the approximations and the choice of slots are this project's own.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reinstate.memory.codec.codec import Codec
from reinstate.memory.options import MemoryOptions
from reinstate.memory.slots import MemoryState
from reinstate.memory.tensors import hash_rows, unique_by, unique_rows

VERSION_MIX = 1_000_003  # keeps equal codes of different versions apart
# Limits of one forward pass of f. The activations of 256 images of 56x56x3 take more memory than everything else, and
# 64 at a time are as fast (benchmarks/measures/memory_cost.py).
MOST_IMAGES, MOST_BYTES = 256, 600_000


@dataclass(frozen=True)
class Sent:
    """What one recalculation did, for the log."""

    codes: int = 0  # unique codes recalculated
    share: float = math.nan  # fraction of the squared gradient norm that was propagated
    drift: float = math.nan  # mean over the codes of |e - m|, m averaged over the slots of a code
    gradient: float = math.nan  # mean over the codes of |g|, g averaged over the slots of a code

    def figures(self) -> dict[str, float]:
        """By the names of the log."""
        return {f"recalculation/{name}": float(value) for name, value in vars(self).items()}


@dataclass
class TopCodes:
    """One slot for each of the K recalculated observations; sums over all slots that hold the same."""

    slot: Tensor  # [K] flat index
    gradient: Tensor  # [K, D] sum of g
    stored: Tensor  # [K, D] sum of m
    count: Tensor  # [K, 1] how many slots
    share: float  # as in `Sent`


class Recalculation:
    """One way to treat the slots while learning: which are on the graph, and what happens to the others' gradients.

    Subclasses are the modes of `--recalculation`. `embed` is f: observations [n, ...] -> embeddings [n, D].
    """

    keeps_observations: ClassVar[bool] = False  # true observations stay beside the slots
    sends: ClassVar[bool] = False  # gradients of older slots are carried into f by `send`
    embeds_again: ClassVar[bool] = True  # slots of finished episodes are recalculated when they are learnt from

    def __init__(self, codec: Codec, embed: nn.Module, options: MemoryOptions) -> None:
        self.codec, self.embed, self.options = codec, embed, options

    def begin_rollout(self, memory: MemoryState) -> None:
        """Prepares the slots for acting: parameters have changed since the last rollout."""

    def older(self, memory: MemoryState) -> Tensor:
        """Embeddings [B, N, D] of the slots written before the rollout, as learning reads them: leaves."""
        return memory.embedding.detach().clone().requires_grad_()

    def recent(self, embedding: Tensor) -> Tensor:
        """Embeddings [n, D] of observations of this rollout: on the graph."""
        return embedding

    def send(self, memory: MemoryState, gradient: Tensor) -> Sent:
        """Carries the gradients [B, N, D] of older slots into `.grad` of f's parameters.

        Args:
            memory: the slots as they were when the rollout began.
            gradient: dL/dm of each of them.
        """
        return Sent()

    def readable(self, memory: MemoryState) -> Tensor:
        """Mask [B, N] of the slots whose observation can be reinstated: written, faithful, of a kept version."""
        faithful = memory.fidelity >= self.options.min_fidelity
        return memory.written & faithful & self.codec.readable(memory.version)

    def observations(self, memory: MemoryState, index: Tensor) -> Tensor:
        """Observations [S, ...] of the slots with flat indices [S], reinstated from their codes."""
        return reinstate(memory, self.codec, index)


class Direct(Recalculation):
    """The gradient of the stored embedding, applied at the recalculated one."""

    sends = True

    def send(self, memory: MemoryState, gradient: Tensor) -> Sent:
        top = self.select_top_codes(memory, gradient, self.options.recalculated_codes)
        if top is None:
            return Sent()
        drift, K = 0.0, len(top.count)
        size = self.observations(memory, top.slot[:1])[0].nbytes
        for part in torch.split(torch.arange(K), images_at_a_time(size)):
            g, m, count = top.gradient[part], top.stored[part], top.count[part]
            e = self.embed(self.observations(memory, top.slot[part]))
            torch.autograd.backward(e, self.gradient_at(e.detach(), g, m, count))
            drift += float((e.detach() - m / count).norm(dim=1).sum())
        return Sent(K, top.share, drift / K, float((top.gradient / top.count).norm(dim=1).mean()))

    def gradient_at(self, e: Tensor, g: Tensor, m: Tensor, count: Tensor) -> Tensor:
        """dL/de [K, D], given e [K, D] and sums of g and m [K, D] over `count` [K, 1] slots of equal codes."""
        return g

    def group(self, memory: MemoryState, index: Tensor) -> tuple[Tensor, Tensor]:
        """Groups the slots with flat indices [S] by content: one slot of each group [G], and each slot's group [S]."""
        return group_by_code(memory, index)

    def select_top_codes(self, memory: MemoryState, gradient: Tensor, k: int) -> TopCodes | None:
        """The `k` codes with the largest summed gradient; None where no gradient can be sent."""
        may = self.readable(memory)
        gradient = torch.where(memory.written[..., None], gradient, 0.0).flatten(0, 1)
        index = (may.flatten() & gradient.any(dim=1)).nonzero()[:, 0]  # [S]
        if len(index) == 0:
            return None
        slot, group = self.group(memory, index)

        def summed(x: Tensor) -> Tensor:
            return x.new_zeros(len(slot), x.shape[1]).index_add_(0, group, x)

        sums = summed(gradient[index])  # [G, D]
        top = sums.norm(dim=1).topk(min(k, len(sums))).indices  # [K]
        lost = gradient[~may.flatten()].square().sum()
        return TopCodes(
            slot[top],
            sums[top],
            summed(memory.embedding.flatten(0, 1)[index])[top],
            summed(torch.ones(len(index), 1))[top],
            float(sums[top].square().sum() / (sums.square().sum() + lost)),
        )


class Target(Direct):
    """Regression of the recalculated embedding towards m - eta g: the stored one after a step down its gradient."""

    def gradient_at(self, e: Tensor, g: Tensor, m: Tensor, count: Tensor) -> Tensor:
        return g + (count * e - m) / self.options.target_step


class Oracle(Direct):
    """Direct, through the true observations: the codec's errors do not matter. For diagnosis only."""

    keeps_observations = True

    def readable(self, memory: MemoryState) -> Tensor:
        return memory.written

    def observations(self, memory: MemoryState, index: Tensor) -> Tensor:
        assert memory.observation is not None
        return memory.observation.flatten(0, 1)[index]

    def group(self, memory: MemoryState, index: Tensor) -> tuple[Tensor, Tensor]:
        return unique_by(index, hash_rows(self.observations(memory, index)))


class Refresh(Recalculation):
    """Acting and learning read recalculated embeddings, on the graph while learning: no slot is stale."""

    def begin_rollout(self, memory: MemoryState) -> None:
        with torch.no_grad():
            memory.embedding = self.older(memory)

    def older(self, memory: MemoryState) -> Tensor:
        """Every readable slot recalculated from its code, on the graph; the others keep what is stored."""
        index = self.readable(memory).flatten().nonzero()[:, 0]
        if len(index) == 0:
            return memory.embedding
        slot, group = group_by_code(memory, index)
        frames = self.observations(memory, slot)
        fresh = torch.cat([self.embed(part) for part in torch.split(frames, images_at_a_time(frames[0].nbytes))])
        stored = memory.embedding.flatten(0, 1)
        return stored.index_copy(0, index, fresh.index_select(0, group)).view_as(memory.embedding)


class Truncated(Recalculation):
    """Slots of the rollout are on the graph, older ones are not: back-propagation truncated at the rollout."""

    embeds_again = False

    def older(self, memory: MemoryState) -> Tensor:
        return memory.embedding.detach()


class Detached(Recalculation):
    """No gradient enters any slot."""

    embeds_again = False

    def older(self, memory: MemoryState) -> Tensor:
        return memory.embedding.detach()

    def recent(self, embedding: Tensor) -> Tensor:
        return embedding.detach()


MODES: dict[str, type[Recalculation]] = {
    "direct": Direct,
    "target": Target,
    "refresh": Refresh,
    "truncated": Truncated,
    "none": Detached,
    "oracle": Oracle,
}


def reinstate(memory: MemoryState, codec: Codec, index: Tensor) -> Tensor:
    """Observations [S, ...] decoded from the codes of the slots with flat indices [S]."""
    return codec.decode(memory.code.flatten(0, 1)[index], memory.version.flatten()[index])


def group_by_code(memory: MemoryState, index: Tensor) -> tuple[Tensor, Tensor]:
    """Groups the slots with flat indices [S] by code and version.

    Returns:
        The flat index of one slot of each group [G], and each slot's group [S].
    """
    return unique_by(index, memory.code_hash.flatten()[index] * VERSION_MIX + memory.version.flatten()[index])


def images_at_a_time(size: int) -> int:
    """How many observations of `size` bytes go through f together."""
    return max(1, min(MOST_IMAGES, MOST_BYTES // size))


def embed_unique(embed: nn.Module, observation: Tensor) -> Tensor:
    """embed(observation) [n, D], with one forward pass for each unique observation: in a corridor most are equal."""
    frames, which = unique_rows(observation)
    embedded: Tensor = embed(frames)
    return embedded.index_select(0, which)


def cosine_with_oracle(ours: Direct, memory: MemoryState, gradient: Tensor) -> float:
    """Cosine between the parameter gradients that `direct` sends through codes and through true observations.

    The oracle here sends the gradient of every slot, faithful or not: slots that the codec cannot reinstate, or that
    are not among the K largest, lower the cosine. Leaves `.grad` alone. NaN if no slot received a gradient.
    """
    parameters = list(ours.embed.parameters())

    def through(way: Direct, k: int) -> Tensor | None:
        top = way.select_top_codes(memory, gradient, k)
        if top is None:
            return None
        e = way.embed(way.observations(memory, top.slot))
        return torch.cat([g.flatten() for g in torch.autograd.grad(e, parameters, top.gradient)])

    exact = through(Oracle(ours.codec, ours.embed, ours.options), memory.written.numel())
    if exact is None:
        return math.nan
    sent = through(Direct(ours.codec, ours.embed, ours.options), ours.options.recalculated_codes)
    return float(F.cosine_similarity(torch.zeros_like(exact) if sent is None else sent, exact, dim=0))
