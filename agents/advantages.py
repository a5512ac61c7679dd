"""Returns and advantages: pure functions of [T, B] tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def gae(
    reward: Tensor,
    value: Tensor,
    last_value: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    final_value: Tensor,
    gamma: float,
    lam: float,
) -> Tensor:
    """Generalised advantage estimation (Schulman et al. 2016, arXiv 1506.02438, eq. 16).

        delta_t = r_t + gamma v'_t - v_t        A_t = delta_t + gamma lambda A_{t+1}

    v'_t is 0 where the episode terminated, V(final observation) where it was truncated (a cut is not an end),
    else the next step's value. The sum stops at both kinds of end.

    Args:
        reward, value, final_value: [T, B].
        last_value: [B], the value of the step after the last.
        terminated, truncated: [T, B] bool.

    Returns:
        Advantages [T, B]; add `value` for the critic's targets.
    """
    next_value = torch.cat([value[1:], last_value[None]])
    next_value = torch.where(truncated, final_value, next_value).masked_fill(terminated, 0.0)
    delta = reward + gamma * next_value - value
    carry = gamma * lam * (~(terminated | truncated)).to(delta.dtype)
    advantage = torch.empty_like(delta)
    running = torch.zeros_like(last_value)
    for t in range(len(delta) - 1, -1, -1):
        running = delta[t] + carry[t] * running
        advantage[t] = running
    return advantage
