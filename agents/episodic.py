"""Learning from finished episodes again, from slot to slot.

A late reward reaches the remembered decision in one sum, however many steps lie between (`memory/episodes.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reinstate.agents.advantages import GoingRate, relative_advantages
from reinstate.agents.chunk import Chunk
from reinstate.agents.encoders import encode_distinct
from reinstate.agents.losses import clipped_policy_loss, entropy, explained_variance, imitation_loss, value_loss
from reinstate.agents.novelty import novelty, novelty_of_events
from reinstate.agents.options import LearningOptions
from reinstate.memory.credit import SyntheticReturns, explanation_loss, older_slots, transport
from reinstate.memory.episodes import Episodes
from reinstate.memory.patches import rows_at
from reinstate.memory.rarity import Rarity

SMALLEST_SCALE = 1e-3  # of an advantage, added before the logarithm
SCALE_COEF = 0.05  # small: the scale's loss must not fill the gradient clip


@dataclass(frozen=True)
class Terms:
    """What all epochs of an update share."""

    going: GoingRate
    rarity: Rarity
    ent_coef: float
    bonus: float  # for novelty
    synthetic: SyntheticReturns | None


def episodic_loss(agent: Any, episodes: Episodes, terms: Terms, options: LearningOptions, log: dict) -> Tensor:
    """The losses of a chunk at the remembered decisions of finished episodes; figures go into `log`.

    Older policies made these decisions. Advantages go back from one to the one before by lambda min(1, pi / mu) (the
    traces of Espeholt et al. 2018, V-trace, arXiv 1802.01561), and the policy's ratio is clipped as in a chunk. The
    critic's target does not weigh the event's own ratio, as V-trace would.

    The ratio is small, and with it the gradient, where today's policy would hardly make the decision any more, and
    beyond the clip where it makes it far more often: either way little is learnt from it again. Decisions after which
    more was paid than the critic expects, to the end of the episode, are imitated besides, without any ratio: what went
    well once, and is rare, is not forgotten.
    """
    events, r = agent.replay_episodes(episodes)
    if len(events.reward) == 0:
        return torch.zeros(())
    memory, going = episodes.memory, terms.going
    value = r.value.detach()
    ratio = (r.log_prob.detach() - r.old_log_prob).exp()
    next_value, trace = value_after(value, events.follow), trace_after(ratio, events.follow)
    lam = options.gae_lambda * trace

    paid = torch.zeros_like(value)
    if terms.bonus > 0:
        paid = paid + terms.bonus * novelty_of_events(events, memory, terms.rarity)
    if options.credit == "transport":
        outcome = value + relative_advantages(events, value, next_value, lam, paid, going)
        paid = paid + transport(r.weight, r.visible, outcome, events, memory.step, going.horizon)
    explained = torch.zeros(())
    if terms.synthetic is not None:
        unit, earned = agent.heads.value_std, memory.earned[events.episode, events.slot]
        expected = terms.synthetic(r.slots, older_slots(memory, events), events)
        returns = terms.synthetic.returns(r.slots)[events.episode, events.slot]
        explained = explanation_loss(expected, earned / unit, returns)
        paid = paid + unit * returns.detach()
        log["credit/reward_explained"] = explained_variance(expected.detach(), earned / unit)

    advantage = relative_advantages(events, value, next_value, lam, paid, going)
    gain = relative_advantages(events, value, next_value, torch.ones_like(value), paid, going)
    target = value + relative_advantages(events, value, next_value, options.critic_lambda * trace, paid, going)
    deviation = advantage.square().mean().sqrt() + 1e-8
    policy = clipped_policy_loss(r.log_prob, r.old_log_prob, advantage / deviation, options.clip_coef)
    imitation = imitation_loss(r.log_prob, gain / deviation)
    critic = value_loss(r.value, target) / agent.heads.value_std.square()
    scale = value_loss(r.log_scale, (advantage.abs() + SMALLEST_SCALE).log())
    temperature = terms.ent_coef * r.log_scale.detach().exp() / deviation
    log |= {
        "credit/events": float(len(value)),
        "credit/ratio": float(ratio.mean()),
        "credit/explained_variance": explained_variance(value, target),
        "credit/paid": float(paid.abs().mean()),
    }
    to_learn = policy + options.imitation_coef * imitation + options.vf_coef * critic + SCALE_COEF * scale + explained
    return (to_learn - temperature * entropy(r.logits)).mean()


def paid_in_chunk(chunk: Chunk, agent: Any, terms: Terms) -> Tensor:
    """What the decisions [n] of a chunk are paid beside their rewards: for novelty, and synthetic returns."""
    paid = torch.zeros_like(chunk.value)
    if terms.bonus > 0:
        paid = paid + terms.bonus * novelty(chunk, terms.rarity)
    if terms.synthetic is not None:
        with torch.no_grad():
            fresh = encode_distinct(agent.embed, rows_at(chunk.inputs.observation, chunk.novel))
            paid[chunk.novel] += agent.heads.value_std * terms.synthetic.returns(fresh)
    return paid


def value_after(value: Tensor, follow: Tensor) -> Tensor:
    """The value [n] of the event that follows. After the last event of an episode that was cut, its own: nothing
    but the time is known to have changed since."""
    return torch.where(follow >= 0, value[follow.clamp(min=0)], value)


def trace_after(ratio: Tensor, follow: Tensor) -> Tensor:
    """min(1, pi / mu) [n] of the event that follows, 0 after an episode's last."""
    return torch.where(follow >= 0, ratio[follow.clamp(min=0)].clamp(max=1.0), 0.0)
