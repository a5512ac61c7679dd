"""Recalculation: how credit crosses the memory.

Backward through a read gives g = dL/dm for every remembered embedding m = f(o), but o and the activations of
f are gone. What is left of o is a code of a few bytes. So the observation is reinstated, o' = decode(code), the
embedding is recalculated, e = f(o'), and g is sent through this fresh forward pass into the parameters of f:

    direct     (de/dtheta)^T g                       the stored slot's gradient, applied at the recalculated point
    target     gradient of |e - (m - eta g)|^2 / (2 eta)  =  direct + (de/dtheta)^T (e - m) / eta
    oracle     direct, with the true o in place of o'     (kept for this purpose only: diagnosis)
    refresh    e takes the place of m in the forward pass, so autograd does the rest (`reembedded`)
    truncated, none    nothing

Slots of equal codes have the same e, so their gradients are summed and f runs once for each distinct code: corridors
and junctions look alike in all environments. The K distinct codes with the largest sums are recalculated.
Slots written in the current chunk are on the graph already (except for `none`); all here is about older ones.
Letters: B environments, N slots, D embedding width, S slots, K distinct codes.
(Hansen 2017, arXiv 1701.03866, gives the idea; the approximations and the choice of slots are this project's own.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reinstate.memory.codec import Codec
from reinstate.memory.frame_ring import hash_rows
from reinstate.memory.patches import distinct
from reinstate.memory.store import MemoryState

VERSION_MIX = 1_000_003  # keeps equal codes of different versions apart
MOST_IMAGES, MOST_BYTES = 256, 600_000  # of one forward pass of an encoder: more fall out of the cache

Embed = Callable[[Tensor], Tensor]  # f: observations [n, ...] -> embeddings [n, D]


@dataclass(frozen=True)
class Recalculated:
    """What one recalculation did, for the log."""

    codes: int = 0  # distinct codes recalculated
    share: float = math.nan  # of the squared norms of the sums over equal codes, the part that went on
    drift: float = math.nan  # mean over the codes of |e - m|, m averaged over the slots of a code
    gradient: float = math.nan  # likewise of |g|; `target` adds (e - m) / eta to g, which must not drown it


@dataclass
class Chosen:
    """One slot for each distinct observation, and what is to be sent through f there: sums over all slots that hold
    the same."""

    slot: Tensor  # [K] flat index
    gradient: Tensor  # [K, D] sum of g
    stored: Tensor  # [K, D] sum of m
    count: Tensor  # [K, 1] how many slots
    share: float  # as in `Recalculated`


def eligible(memory: MemoryState, codec: Codec, min_fidelity: float) -> Tensor:
    """Mask [B, N] of the slots whose observation can be reinstated: written, faithful and readable today."""
    return memory.written & (memory.fidelity >= min_fidelity) & codec.readable(memory.version)


def reinstate(memory: MemoryState, codec: Codec, index: Tensor) -> Tensor:
    """Observations [S, ...] decoded from the codes of the slots with flat indices [S]."""
    return codec.decode(memory.code.flatten(0, 1)[index], memory.version.flatten()[index])


def images_at_a_time(size: int) -> int:
    """How many observations of `size` bytes go through an encoder together. Activations of 256 images of 56x56x3 take
    more memory than all else (benchmarks/books/learner_memory.py), and 64 at a time take no longer."""
    return max(1, min(MOST_IMAGES, MOST_BYTES // size))


def observed(mode: str, memory: MemoryState, codec: Codec, index: Tensor) -> Tensor:
    """Observations [S, ...] of the slots with flat indices [S]: reinstated, or the true ones for the oracle."""
    if mode != "oracle":
        return reinstate(memory, codec, index)
    assert memory.observation is not None
    return memory.observation.flatten(0, 1)[index]


def distinct_codes(memory: MemoryState, index: Tensor) -> tuple[Tensor, Tensor]:
    """Groups the slots with flat indices [S] by code and version.

    Returns:
        The flat index of one slot of each group [G], and each slot's group [S].
    """
    return distinct(index, memory.code_hash.flatten()[index] * VERSION_MIX + memory.version.flatten()[index])


def gradient_to_send(
    mode: str, gradient: Tensor, recalculated: Tensor, stored: Tensor, count: Tensor, eta: float
) -> Tensor:
    """dL/de [K, D] as each approximation has it, from sums over `count` [K, 1] slots of equal codes."""
    if mode in ("direct", "oracle"):
        return gradient
    if mode == "target":
        return gradient + (count * recalculated.detach() - stored) / eta
    raise ValueError(f"{mode!r} sends no gradient to older slots")


def gather(
    mode: str, memory: MemoryState, gradient: Tensor, codec: Codec, k: int, min_fidelity: float
) -> Chosen | None:
    """The at most `k` observations that are worth most; None where no gradient can be sent anywhere."""
    # The oracle reads true observations: what the codec cannot reinstate is no limit to it.
    may = memory.written if mode == "oracle" else eligible(memory, codec, min_fidelity)
    gradient = torch.where(memory.written[..., None], gradient, 0.0).flatten(0, 1)
    read = gradient.any(dim=1)
    index = (may.flatten() & read).nonzero()[:, 0]  # [S]
    if len(index) == 0:
        return None
    if mode == "oracle":
        assert memory.observation is not None
        slot, group = distinct(index, hash_rows(memory.observation.flatten(0, 1)[index]))
    else:
        slot, group = distinct_codes(memory, index)

    def summed(x: Tensor) -> Tensor:
        return x.new_zeros(len(slot), x.shape[1]).index_add_(0, group, x)

    sums = summed(gradient[index])  # [G, D]
    top = sums.norm(dim=1).topk(min(k, len(sums))).indices  # [K]
    lost = gradient[~may.flatten()].square().sum()
    return Chosen(
        slot[top],
        sums[top],
        summed(memory.embedding.flatten(0, 1)[index])[top],
        summed(torch.ones(len(index), 1))[top],
        float(sums[top].square().sum() / (sums.square().sum() + lost)),
    )


def recalculate(
    mode: str,
    memory: MemoryState,
    gradient: Tensor,
    codec: Codec,
    embed: Embed,
    k: int,
    min_fidelity: float,
    eta: float,
) -> Recalculated:
    """Adds to `.grad` of the parameters of `embed` what the gradients of older slots are worth.

    Args:
        memory: the slots as they stood when the chunk began.
        gradient: [B, N, D], dL/dm of each of them.
        embed: the embedding network f.
        k: at most this many distinct codes.
    """
    if mode in ("truncated", "none", "refresh"):
        return Recalculated()
    found = gather(mode, memory, gradient, codec, k, min_fidelity)
    if found is None:
        return Recalculated()
    drift = 0.0
    size = observed(mode, memory, codec, found.slot[:1])[0].nbytes
    for part in torch.arange(len(found.count)).split(images_at_a_time(size)):
        g, m, count = found.gradient[part], found.stored[part], found.count[part]
        e = embed(observed(mode, memory, codec, found.slot[part]))
        torch.autograd.backward(e, gradient_to_send(mode, g, e, m, count, eta))
        drift += float((e.detach() - m / count).norm(dim=1).sum())
    K = len(found.count)
    size = float((found.gradient / found.count).norm(dim=1).mean())
    return Recalculated(K, found.share, drift / K, size)


def reembedded(memory: MemoryState, codec: Codec, embed: Embed, min_fidelity: float) -> Tensor:
    """Embeddings [B, N, D] with every eligible slot recalculated from its code, on the graph (`refresh`).

    Slots of the same code and version share one forward pass. The others keep what is stored.
    """
    mask = eligible(memory, codec, min_fidelity).flatten()
    index = mask.nonzero()[:, 0]
    stored = memory.embedding.flatten(0, 1)
    if len(index) == 0:
        return memory.embedding
    slot, group = distinct_codes(memory, index)
    frames = reinstate(memory, codec, slot)
    fresh = torch.cat([embed(part) for part in frames.split(images_at_a_time(frames[0].nbytes))])
    return stored.index_copy(0, index, fresh.index_select(0, group)).view_as(memory.embedding)


def cosine_with_oracle(
    memory: MemoryState, gradient: Tensor, codec: Codec, embed: nn.Module, k: int, min_fidelity: float
) -> float:
    """Cosine between the parameter gradients that `direct` sends through codes and through true observations.

    The oracle here is given every slot with a gradient, faithful or not: what the codec cannot reinstate, or K leaves
    out, counts against the cosine. Leaves `.grad` alone. NaN if nothing arrived.
    """
    parameters = list(embed.parameters())

    def through(mode: str, found: Chosen | None) -> Tensor:
        if found is None:
            return torch.zeros(sum(p.numel() for p in parameters))
        e = embed(observed(mode, memory, codec, found.slot))
        return _concatenate(torch.autograd.grad(e, parameters, found.gradient))

    exact = gather("oracle", memory, gradient, codec, memory.written.numel(), min_fidelity)
    if exact is None:
        return float("nan")
    ours = gather("direct", memory, gradient, codec, k, min_fidelity)
    return float(F.cosine_similarity(through("direct", ours), through("oracle", exact), dim=0))


def _concatenate(gradients: Iterable[Tensor]) -> Tensor:
    return torch.cat([g.flatten() for g in gradients])
