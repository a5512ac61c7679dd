"""Recalculation: how credit crosses the memory.

Backward through a read gives g = dL/dm for every remembered embedding m = f(o), but o and the activations of
f are gone. What is left of o is a code of a few bytes. So the observation is reinstated, o' = decode(code), the
embedding is recalculated, e = f(o'), and g is sent through this fresh forward pass into the parameters of f:

    direct     (de/dtheta)^T g                       the stored slot's gradient, applied at the recalculated point
    target     gradient of |e - (m - eta g)|^2 / (2 eta)  =  direct + (de/dtheta)^T (e - m) / eta
    oracle     direct, with the true o in place of o'     (kept for this purpose only: diagnosis)
    refresh    e takes the place of m in the forward pass, so autograd does the rest (`reembedded`)
    truncated, none    nothing

Slots written in the current chunk are on the graph already (except for `none`); all here is about older ones.
Letters: B environments, N slots, D embedding width, K slots recalculated.
(Hansen 2017, arXiv 1701.03866, gives the idea; the approximations and the choice of slots are this project's own.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from memory.codec import Codec
from memory.store import MemoryState

VERSION_MIX = 1_000_003  # keeps equal codes of different versions apart
ENCODER_CHUNK = 256  # images per forward pass of an encoder: larger ones fall out of the cache

Embed = Callable[[Tensor], Tensor]  # f: observations [n, ...] -> embeddings [n, D]


@dataclass(frozen=True)
class Recalculated:
    """What one recalculation did, for the log."""

    slots: int  # slots recalculated
    share: float  # of the squared gradient norm over all slots, the part that went on
    drift: float  # mean |e - m|


def eligible(memory: MemoryState, codec: Codec, min_fidelity: float) -> Tensor:
    """Mask [B, N] of the slots whose observation can be reinstated: written, faithful and readable today."""
    return memory.written & (memory.fidelity >= min_fidelity) & codec.readable(memory.version)


def largest(gradient: Tensor, candidates: Tensor, k: int) -> Tensor:
    """Flat indices [<= K] of the slots with the largest gradient norms.

    Args:
        gradient: [B, N, D].
        candidates: [B, N] bool; what is not a candidate never wins, whatever its row holds.
    """
    norms = torch.where(candidates, gradient.norm(dim=2), 0.0).flatten()
    values, index = norms.topk(min(k, norms.numel()))
    return index[values > 0]


def reinstate(memory: MemoryState, codec: Codec, index: Tensor) -> Tensor:
    """Observations [K, ...] decoded from the codes of the slots with flat indices [K]."""
    return codec.decode(memory.code.flatten(0, 1)[index], memory.version.flatten()[index])


def gradient_to_send(mode: str, gradient: Tensor, recalculated: Tensor, stored: Tensor, eta: float) -> Tensor:
    """dL/de as each approximation has it; all arguments [K, D]."""
    if mode in ("direct", "oracle"):
        return gradient
    if mode == "target":
        return gradient + (recalculated.detach() - stored) / eta
    raise ValueError(f"{mode!r} sends no gradient to older slots")


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
        k: at most this many slots.
    """
    if mode in ("truncated", "none", "refresh"):
        return Recalculated(0, 0.0, 0.0)
    # The oracle reads true observations: what the codec cannot reinstate is no limit to it.
    candidates = memory.written if mode == "oracle" else eligible(memory, codec, min_fidelity)
    index = largest(gradient, candidates, k)
    if len(index) == 0:
        return Recalculated(0, 0.0, 0.0)
    gradients, stored = gradient.flatten(0, 1)[index], memory.embedding.flatten(0, 1)[index]  # [K, D]
    if mode == "oracle":
        assert memory.observation is not None
        observations = memory.observation.flatten(0, 1)[index]
    else:
        observations = reinstate(memory, codec, index)
    drift = 0.0
    for part in torch.arange(len(index)).split(ENCODER_CHUNK):
        e = embed(observations[part])
        torch.autograd.backward(e, gradient_to_send(mode, gradients[part], e, stored[part], eta))
        drift += float((e.detach() - stored[part]).norm(dim=1).sum())
    written = torch.where(memory.written[..., None], gradient, 0.0)
    share = float(gradients.square().sum() / written.square().sum())
    return Recalculated(len(index), share, drift / len(index))


def reembedded(memory: MemoryState, codec: Codec, embed: Embed, min_fidelity: float) -> Tensor:
    """Embeddings [B, N, D] with every eligible slot recalculated from its code, on the graph (`refresh`).

    Slots of the same code and version share one forward pass. The others keep what is stored.
    """
    mask = eligible(memory, codec, min_fidelity).flatten()
    index = mask.nonzero()[:, 0]
    stored = memory.embedding.flatten(0, 1)
    if len(index) == 0:
        return memory.embedding
    key = memory.code_hash.flatten()[index] * VERSION_MIX + memory.version.flatten()[index]
    distinct, inverse = torch.unique(key, return_inverse=True)
    representative = torch.empty_like(distinct).scatter_(0, inverse, index)  # any slot of that code will do
    observations = reinstate(memory, codec, representative)
    fresh = torch.cat([embed(part) for part in observations.split(ENCODER_CHUNK)])
    return stored.index_copy(0, index, fresh[inverse]).view_as(memory.embedding)


def cosine_with_oracle(
    memory: MemoryState, gradient: Tensor, codec: Codec, embed: nn.Module, k: int, min_fidelity: float
) -> float:
    """Cosine between the parameter gradients that `direct` sends through codes and through true observations.

    The oracle here is given every slot with a gradient, faithful or not, at most 16 K of them: what the codec
    cannot reinstate, or K leaves out, counts against the cosine. Leaves `.grad` alone. NaN if nothing arrived.
    """
    assert memory.observation is not None
    sent = largest(gradient, eligible(memory, codec, min_fidelity), k)
    every = largest(gradient, memory.written, 16 * k)
    if len(every) == 0:
        return float("nan")
    parameters = list(embed.parameters())
    flat = gradient.flatten(0, 1)

    def through(observations: Tensor, index: Tensor) -> Tensor:
        if len(index) == 0:
            return torch.zeros(sum(p.numel() for p in parameters))
        return _concatenate(torch.autograd.grad(embed(observations), parameters, flat[index]))

    ours = through(reinstate(memory, codec, sent), sent)
    exact = through(memory.observation.flatten(0, 1)[every], every)
    return float(F.cosine_similarity(ours, exact, dim=0))


def _concatenate(gradients: Iterable[Tensor]) -> Tensor:
    return torch.cat([g.flatten() for g in gradients])
