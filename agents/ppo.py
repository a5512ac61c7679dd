"""The update: proximal policy optimisation, from decision to decision.

targets -> loss and terms -> backward -> gradients into the memory -> clip -> step

Letters: n decisions of a rollout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from reinstate.agents.interface import Agent, Extras, Replay, Stateful, Update
from reinstate.agents.losses import (
    SCALE_COEF,
    approximate_kl,
    clipped_policy_loss,
    entropy,
    explained_variance,
    scale_loss,
    value_loss,
)
from reinstate.agents.options import LearningOptions
from reinstate.agents.returns import AverageReward, relative_advantages
from reinstate.agents.rollout import Rollout
from reinstate.agents.statistics import EpisodeLength, RewardRate, RunningMoments
from reinstate.agents.units import in_units
from reinstate.memory.optimizers import load_optimizer_state, optimizer_state

# Gradients shrink once a corridor is learnt. With the usual 0.999 Adam would divide by the old, large ones for long.
BETAS = (0.9, 0.99)
EPSILON = 1e-8  # Adam's; clipped gradients of a policy can be smaller than the usual 1e-5 of PPO
DECISIONS = 8  # on average at most this many of each environment are learnt from in an epoch, drawn at random
WROTE_SHARE = 0.3  # weight in the loss of the decisions that wrote to memory; the others have the rest


@dataclass
class Learner:
    """What is carried from one update to the next."""

    options: LearningOptions
    generator: torch.Generator  # samples the decisions and finished episodes to learn from, and the codec's frames
    optimizer: torch.optim.Adam
    groups: list[list[nn.Parameter]]  # clipped one by one
    extras: Extras
    reward_rate: RewardRate = field(default_factory=RewardRate)
    length: EpisodeLength = field(default_factory=EpisodeLength)
    targets: RunningMoments = field(default_factory=RunningMoments)  # of the critic

    def observe(self, rollout: Rollout) -> None:
        """Updates the running statistics from a rollout."""
        closed = rollout.outcome.closed
        self.reward_rate.add(float(rollout.outcome.reward[closed].sum()), float(rollout.outcome.duration[closed].sum()))
        self.length.add([e.length for e in rollout.episodes], rollout.steps)

    def begin(self, rollout: Rollout, progress: float) -> Update:
        """The schedules and statistics of an update."""
        o = self.options
        for group in self.optimizer.param_groups:
            group["lr"] = o.learning_rate + progress * (o.final_learning_rate - o.learning_rate)
        self.observe(rollout)
        average = AverageReward(self.reward_rate.rate, o.horizon * self.length.mean)
        ent_coef = o.ent_coef + progress * (o.final_ent_coef - o.ent_coef)
        update = Update(rollout, o, average, ent_coef, progress, self.generator)
        for term in self.extras.terms:
            term.begin_update(update)
        return update

    def change_unit(self, factor: float) -> None:
        """Rewards are `factor` times what they were."""
        self.reward_rate.change_unit(factor)
        self.targets.change_unit(factor)

    def state_dict(self) -> dict[str, Any]:
        """Plain values; the agent's parameters are its own."""
        return {
            "optimizer": optimizer_state(self.optimizer),
            "generator": self.generator.get_state(),
            **{name: part.state_dict() for name, part in self._parts().items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        load_optimizer_state(self.optimizer, state["optimizer"])
        self.generator.set_state(state["generator"])
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def statistics(self) -> dict[str, Stateful]:
        """The running ones, by name."""
        return {"reward_rate": self.reward_rate, "length": self.length, "targets": self.targets}

    def _parts(self) -> dict[str, Stateful]:
        terms = {f"term {i}": term for i, term in enumerate(self.extras.terms)}
        return (
            self.statistics() | terms | {f"side learner {i}": side for i, side in enumerate(self.extras.side_learners)}
        )


def build_learner(agent: Agent[Any], extras: Extras, options: LearningOptions, generator: torch.Generator) -> Learner:
    """The learner of `agent`; the parameters of the loss terms are clipped with the agent's last group."""
    *groups, rest = agent.parameter_groups()
    groups.append(rest + [p for term in extras.terms for p in term.parameters()])
    parameters = [p for group in groups for p in group]
    optimizer = torch.optim.Adam(parameters, lr=options.learning_rate, betas=BETAS, eps=EPSILON, fused=True)
    return Learner(options, generator, optimizer, groups, extras)


def update(agent: Agent[Any], rollout: Rollout, learner: Learner, progress: float) -> dict[str, float]:
    """Learns from one rollout; `progress` from 0 to 1 sets the schedules. Returns figures for the log.

    Raises:
        FloatingPointError: something is not finite.

    Whatever it raises, the agent, the optimiser and the running statistics are as they were before.
    """
    if not bool(rollout.outcome.closed.any()):  # every decision is still open
        return {}
    before = Snapshot(agent, learner)
    try:
        log = learn(agent, rollout, learner, progress)
        agent.extend_ranges(rollout.inputs.observation)
    except BaseException as error:
        before.restore()
        if isinstance(error, FloatingPointError):
            raise FloatingPointError(f"{error}: {cause_of(agent, rollout)}") from error
        raise
    return log


def cause_of(agent: Agent[Any], rollout: Rollout) -> str:
    """The likely cause of numbers that are not finite in an update, and what to do."""
    if not all(bool(p.isfinite().all()) for p in agent.parameters()):
        return "nor were the agent's parameters before this update; begin with another agent"
    seen = {
        "a reward": rollout.outcome.reward,
        "a previous reward": rollout.inputs.prev_reward,
        "an observation": rollout.inputs.observation,
    }
    for name, numbers in seen.items():
        if numbers.is_floating_point() and not bool(numbers.isfinite().all()):
            return f"{name} in this rollout is not; mend the environment"
    return "rewards, observations and parameters were, so learning has diverged; lower --learning-rate"


class Snapshot:
    """What an update changes, as it was before."""

    def __init__(self, agent: Agent[Any], learner: Learner) -> None:
        self.learner = learner
        own = [*agent.parameters(), *agent.buffers(), *(p for group in learner.groups for p in group)]
        self.tensors = list(dict.fromkeys(own))  # each once
        self.tensors += [t for state in learner.optimizer.state.values() for t in state.values()]
        self.values = [t.detach().clone() for t in self.tensors]
        self.begun = set(learner.optimizer.state)  # parameters that the optimiser has a state of
        self.statistics = {name: part.state_dict() for name, part in learner.statistics().items()}

    @torch.no_grad()
    def restore(self) -> None:
        """Puts everything back."""
        for tensor, value in zip(self.tensors, self.values, strict=True):
            tensor.copy_(value)
        state = self.learner.optimizer.state
        for parameter in set(state) - self.begun:
            del state[parameter]
        for name, part in self.learner.statistics().items():
            part.load_state_dict(self.statistics[name])


def learn(agent: Agent[Any], rollout: Rollout, learner: Learner, progress: float) -> dict[str, float]:
    """The body of `update`."""
    unit = agent.encode_state.unit
    factor = unit.grow(rollout.largest_reward)
    if factor != 1.0:
        agent.heads.change_unit(factor)
        learner.change_unit(factor)
    rollout = in_units(rollout, unit, factor)
    o, closed = learner.options, rollout.outcome.closed
    u = learner.begin(rollout, progress)
    bonus = torch.zeros_like(rollout.decision.value)
    for paid in learner.extras.bonuses:
        bonus = bonus + paid.of_rollout(u)
    targets = targets_of(u, bonus)
    learner.targets.add(targets.value[closed])
    agent.heads.rescale(learner.targets.mean, learner.targets.std)

    log: dict[str, float] = {}
    for epoch in range(o.epochs):
        picked = pick(closed, DECISIONS * rollout.num_envs, learner.generator)
        replay = agent.replay(rollout, picked)
        last = log if epoch == o.epochs - 1 else None
        loss = ppo_loss(u, replay, picked, targets, agent.heads.value_std, last)
        for term in learner.extras.terms:
            added = term.loss(u, log)
            loss = loss if added is None else loss + added
        learner.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        log |= agent.send(rollout, replay, first_epoch=epoch == 0)
        log |= clip(learner.groups, o.max_grad_norm)
        learner.optimizer.step()
    explained = explained_variance(rollout.decision.value[closed], targets.value[closed])
    rates = {
        "train/reward_rate": u.average.rate * float(unit.known),
        "train/learning_rate": learner.optimizer.param_groups[0]["lr"],
    }
    return log | rates | {"train/explained_variance": explained}


@dataclass(frozen=True)
class Targets:
    """What a rollout's decisions are trained towards, the same in all epochs."""

    advantage: Tensor  # [n] less the mean over closed decisions
    deviation: Tensor  # scalar, of the advantages
    value: Tensor  # [n] of the critic


def targets_of(u: Update, bonus: Tensor) -> Targets:
    """The targets of an update; `bonus` [n] is paid beside the rewards.

    Raises:
        FloatingPointError: they are not finite.
    """
    outcome, value = u.rollout.outcome, u.rollout.decision.value
    # An open decision counts what it has earned so far, and then its own value: since it was made, nothing but the time
    # has changed.
    next_value = torch.where(outcome.closed, outcome.next_value, value)

    def advantage(lam: float) -> Tensor:
        return relative_advantages(outcome, value, next_value, torch.full_like(value, lam), bonus, u.average)

    ours, critic = advantage(u.options.gae_lambda), advantage(u.options.critic_lambda) + value
    if not bool(critic[outcome.closed].isfinite().all()):
        raise FloatingPointError("the critic's targets are not finite")
    ours = ours - ours[outcome.closed].mean()
    return Targets(ours, ours[outcome.closed].square().mean().sqrt() + 1e-8, critic)


def pick(closed: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """The closed decisions [n], ascending: all, or `most` of them at random."""
    rows = closed.nonzero()[:, 0]
    if len(rows) <= most:
        return rows
    chosen = torch.randperm(len(rows), generator=generator)[:most]
    return rows[chosen.sort().values]


def ppo_loss(
    u: Update, replay: Replay, picked: Tensor, targets: Targets, value_std: Tensor, log: dict[str, float] | None
) -> Tensor:
    """Clipped policy loss, value loss, scale loss and entropy bonus at the decisions `picked` [n]; figures into `log`.

    `value_std`: scalar, the unit of the critic.

    The entropy bonus is in units of each state's advantage scale. With one unit for all states, rare decisions
    would lose their entropy first.
    """
    o, d, advantage = u.options, u.rollout.decision.take(picked), targets.advantage[picked]
    weight = share_between(d.wrote, WROTE_SHARE)
    log_prob = torch.log_softmax(replay.logits, dim=-1).gather(1, d.action[:, None]).squeeze(1)
    policy = clipped_policy_loss(log_prob, d.log_prob, advantage / targets.deviation, o.clip_coef)
    critic = value_loss(replay.value, targets.value[picked]) / value_std.square()
    scale = scale_loss(replay.log_scale, advantage)
    uncertainty = entropy(replay.logits)
    temperature = u.ent_coef * (d.scale / targets.deviation)
    if log is not None:
        ratio = (log_prob.detach() - d.log_prob).exp()
        log |= {
            "train/policy_loss": float((weight * policy.detach()).sum()),
            "train/value_loss": float((weight * critic.detach()).sum()),
            "train/entropy": float((weight * uncertainty.detach()).sum()),
            "train/entropy_decisive": weighted_mean(uncertainty.detach(), weight * advantage.abs()),
            "train/approx_kl": float((weight * approximate_kl(log_prob.detach(), d.log_prob)).sum()),
            "train/clip_fraction": float((weight * ((ratio - 1).abs() > o.clip_coef)).sum()),
        }
    return (weight * (policy + o.vf_coef * critic + SCALE_COEF * scale - temperature * uncertainty)).sum()


def share_between(wrote: Tensor, share: float) -> Tensor:
    """Weights [n] that sum to 1, of which `share` goes to the decisions that wrote, where there are both kinds."""
    count, wrote = len(wrote), wrote.float()
    fresh = float(wrote.sum())
    if fresh in (0.0, float(count)):
        return torch.full((count,), 1 / count)
    return wrote * (share / fresh) + (1 - wrote) * ((1 - share) / (count - fresh))


def clip(groups: list[list[nn.Parameter]], max_norm: float) -> dict[str, float]:
    """Clips the gradient of each group to `max_norm`; returns their norms before, for the log.

    This is the one place through which all gradients pass before the step.
    """
    norms = [float(nn.utils.clip_grad_norm_(group, max_norm)) if group else 0.0 for group in groups]
    if not all(math.isfinite(norm) for norm in norms):
        raise FloatingPointError(f"the gradient is not finite (norms {norms})")
    return {"train/grad_norm_embedding": norms[0], "train/grad_norm": norms[-1]}


def weighted_mean(x: Tensor, weight: Tensor) -> float:
    """Mean of x [n] with these weights [n]; NaN where they sum to 0."""
    total = float(weight.sum())
    return float((x * weight).sum()) / total if total > 0 else math.nan
