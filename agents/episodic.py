"""Episodic credit: finished episodes are learnt from again, from slot to slot.

A late reward reaches the remembered decision in one sum, however many steps lie between (`memory/episodes.py`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from agents.advantages import GoingRate, relative_advantages
from agents.losses import clipped_policy_loss, entropy, explained_variance, imitation_loss, value_loss
from agents.novelty import novelty_of_events
from agents.options import LearningOptions
from memory.episodes import Episodes
from memory.rarity import Rarity

SMALLEST_SCALE = 1e-3  # of an advantage, added before the logarithm
SCALE_COEF = 0.05  # small: the scale's loss must not fill the gradient clip


def episodic_loss(
    agent: Any,
    episodes: Episodes,
    going: GoingRate,
    options: LearningOptions,
    ent_coef: float,
    log: dict[str, float],
    bonus: float,
    rarity: Rarity,
) -> Tensor:
    """The losses of a chunk at the remembered decisions of finished episodes; figures go into `log`.

    Older policies made these decisions. Advantages go back from one to the one before by lambda min(1, pi / mu) (the
    traces of Espeholt et al. 2018, V-trace, arXiv 1802.01561), and the policy's ratio is clipped as in a chunk. The
    critic's target does not weigh the event's own ratio, as V-trace would.

    The clip ends what can be learnt from a decision that today's policy would hardly make: its ratio to the policy
    that made it is small. Decisions after which more was paid than the critic expects, to the end of the episode, are
    imitated besides, without any ratio: what went well once, and is rare, is not forgotten.
    """
    events, r = agent.replay_episodes(episodes)
    if len(events.reward) == 0:
        return torch.zeros(())
    value = r.value.detach()
    ratio = (r.log_prob.detach() - r.old_log_prob).exp()
    next_value, lam = value_after(value, events.follow), options.gae_lambda * trace_after(ratio, events.follow)
    uncut = torch.ones_like(value)
    paid = bonus * novelty_of_events(events, episodes.memory, rarity) if bonus > 0 else torch.zeros_like(value)
    advantage = relative_advantages(events, value, next_value, lam, paid, going)
    target = advantage + value
    deviation = advantage.square().mean().sqrt() + 1e-8
    gain = relative_advantages(events, value, next_value, uncut, paid, going)
    policy = clipped_policy_loss(r.log_prob, r.old_log_prob, advantage / deviation, options.clip_coef)
    imitation = imitation_loss(r.log_prob, gain / deviation)
    critic = value_loss(r.value, target) / agent.heads.value_std.square()
    scale = value_loss(r.log_scale, (advantage.abs() + SMALLEST_SCALE).log())
    temperature = ent_coef * r.log_scale.detach().exp() / deviation
    log |= {
        "credit/events": float(len(value)),
        "credit/ratio": float(ratio.mean()),
        "credit/explained_variance": explained_variance(value, target),
    }
    policy = policy + options.imitation_coef * imitation
    return (policy + options.vf_coef * critic + SCALE_COEF * scale - temperature * entropy(r.logits)).mean()


def value_after(value: Tensor, follow: Tensor) -> Tensor:
    """The value [n] of the event that follows. After the last event of an episode that was cut, its own: nothing is
    known to have changed since."""
    return torch.where(follow >= 0, value[follow.clamp(min=0)], value)


def trace_after(ratio: Tensor, follow: Tensor) -> Tensor:
    """min(1, pi / mu) [n] of the event that follows, 0 after an episode's last."""
    return torch.where(follow >= 0, ratio[follow.clamp(min=0)].clamp(max=1.0), 0.0)
