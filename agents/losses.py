"""The losses, as pure functions of [n] tensors and weights that sum to 1."""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST_SCALE = 1e-3  # reward units; of an advantage, added before the logarithm
SCALE_COEF = 0.05  # small: the scale's loss must not fill the gradient clip


def clipped_policy_loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """-min(r A, clip(r, 1 - c, 1 + c) A), r = pi / pi_old, for each sample (Schulman et al. 2017, eq. 7)."""
    ratio = (log_prob - old_log_prob).exp()
    return -torch.min(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def value_loss(value: Tensor, target: Tensor) -> Tensor:
    """(V - target)^2 / 2 for each sample."""
    return 0.5 * (value - target).square()


def scale_loss(log_scale: Tensor, advantage: Tensor) -> Tensor:
    """(log scale - log |A|)^2 / 2 for each sample: the advantage scale follows the typical size of advantages."""
    return value_loss(log_scale, (advantage.abs() + SMALLEST_SCALE).log())


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the policy, in nats, for each row of logits [n, A]."""
    log_probs = torch.log_softmax(logits, dim=-1)
    return -(log_probs.exp() * log_probs).sum(dim=-1)


def approximate_kl(log_prob: Tensor, old_log_prob: Tensor) -> Tensor:
    """(r - 1) - log r: an unbiased, non-negative estimate of KL(old, new) for each sample."""
    log_ratio = log_prob - old_log_prob
    return log_ratio.exp() - 1 - log_ratio


def explained_variance(value: Tensor, target: Tensor) -> float:
    """1 - Var(target - value) / Var(target); NaN where the target does not vary beyond rounding."""
    variance = target.var(correction=0)
    if variance <= 1e-12 * target.square().mean():
        return float("nan")
    return float(1 - (target - value).var(correction=0) / variance)
