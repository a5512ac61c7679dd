"""Actor and critic heads, and sampling from soft-capped logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reinstate.memory.codec.autoencoders import last_linear, orthogonal

LARGEST_LOG_SCALE = 10.0  # e^10 reward units: returns of that many rewards
LOGIT_CAP = 4.0  # keeps every action's probability above 0: with 7 actions above 5e-5
TIME_SCALES = 4.0 ** torch.arange(9)  # 1, 4, 16, ... 65,536 steps
POLICY_GAIN = 1.0  # larger than usual: what is read must move the policy from the start


class ActorCriticHeads(nn.Module):
    """Policy logits [n, A], values [n] and advantage scales [n] from features [n, in]; a hidden layer for each head.

    Values and scales are in reward units (`units.py`). The value head's output is in deviations of its targets besides
    (`rescale`): returns of many rewards are learnt as fast as those of one.
    Only the value head sees the time. Where no observation shows how much of an episode is left, a value that ignores
    the time adds noise to every advantage (Pardo et al. 2018, arXiv 1712.00378). A policy that saw it could not play
    longer episodes.
    """

    value_mean: Tensor  # scalar
    value_std: Tensor  # scalar

    def __init__(self, features: int, actions: int, hidden: int = 64) -> None:
        super().__init__()
        self.policy = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, actions))
        self.value = nn.Sequential(nn.Linear(features + len(TIME_SCALES), hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.log_scale = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        orthogonal(self)
        orthogonal(last_linear(self.log_scale), 0.1)
        orthogonal(last_linear(self.policy), POLICY_GAIN)
        nn.init.zeros_(last_linear(self.value).weight)  # `rescale` would enlarge a random start
        self.register_buffer("value_mean", torch.zeros(()))
        self.register_buffer("value_std", torch.ones(()))

    def forward(self, features: Tensor, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits [n, A], values [n] and log-scales of advantages [n]; `time` [n] are the episode's steps so far."""
        logits = soft_cap(self.policy(features), LOGIT_CAP)
        timed = torch.cat([features, elapsed(time)], dim=-1)
        value = self.value_mean + self.value_std * self.value(timed).squeeze(-1)
        return logits, value, self.log_scale(features.detach()).squeeze(-1)

    @torch.no_grad()
    def rescale(self, mean: float, std: float) -> None:
        """Changes the units of the value head and keeps its values (van Hasselt et al. 2016, PopArt,
        arXiv 1602.07714)."""
        last = last_linear(self.value)
        last.weight.mul_(self.value_std / std)
        last.bias.copy_((self.value_std * last.bias + self.value_mean - mean) / std)
        self.value_mean.fill_(mean)
        self.value_std.fill_(std)

    @torch.no_grad()
    def change_unit(self, factor: float) -> None:
        """Values are `factor` times what they were.

        Scales are not converted: where larger rewards are found than before, they are too large for a while, as at the
        start, and so is the entropy bonus.
        """
        self.value_mean.mul_(factor)
        self.value_std.mul_(factor)


def scale_of(log_scale: Tensor) -> Tensor:
    """Advantage scales [n] from their logarithms [n]."""
    return log_scale.clamp(-LARGEST_LOG_SCALE, LARGEST_LOG_SCALE).exp()


def elapsed(time: Tensor) -> Tensor:
    """Steps [n] as numbers [n, 9] from -1 to 1, (t - c) / (t + c) for each scale c."""
    t = time[:, None].float()
    return (t - TIME_SCALES) / (t + TIME_SCALES)


def soft_cap(logits: Tensor, cap: float) -> Tensor:
    """cap * tanh(logits / cap)."""
    return cap * torch.tanh(logits / cap)


def choose(logits: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Actions [n] and their log-probabilities [n] from logits [n, A]: sampled with `generator`, greedy with None."""
    log_probs = torch.log_softmax(logits, dim=-1)
    if generator is None:
        action = logits.argmax(dim=-1)
    else:  # inverse transform: one uniform number for each row, whatever the others are
        u = torch.rand(len(logits), 1, generator=generator).to(logits.device)
        action = (log_probs.exp().cumsum(dim=-1) < u).sum(dim=-1).clamp(max=logits.shape[-1] - 1)
    return action, log_probs.gather(-1, action[:, None]).squeeze(-1)
