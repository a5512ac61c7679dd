"""The update: a chunk in, better parameters out.

Letters: n decisions of a chunk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from reinstate.agents.advantages import GoingRate, relative_advantages
from reinstate.agents.chunk import Chunk
from reinstate.agents.episodic import SCALE_COEF, SMALLEST_SCALE, Terms, episodic_loss, paid_in_chunk
from reinstate.agents.losses import (
    approximate_kl,
    clipped_policy_loss,
    entropy,
    explained_variance,
    value_loss,
)
from reinstate.agents.options import LearningOptions
from reinstate.agents.running import EpisodeLength, Income, Moments
from reinstate.memory.credit import SyntheticReturns
from reinstate.memory.episodes import EpisodeRing
from reinstate.memory.patches import rows_at
from reinstate.memory.rarity import Rarity
from reinstate.memory.recalculation import Recalculated, cosine_with_oracle, recalculate
from reinstate.memory.store import MemoryState

# Gradients shrink once the corridor is learnt: a long memory of their squares would keep the steps small for long.
BETAS = (0.9, 0.99)
EPSILON = 1e-8  # Adam's; clipped gradients of a policy can be smaller than the usual 1e-5 of PPO


@dataclass
class Learner:
    """Parameters' optimiser, generator and running figures: what is carried from one update to the next."""

    optimizer: torch.optim.Adam
    generator: torch.Generator  # samples the decisions and finished episodes to learn from, and the codec's frames
    embed_parameters: list[Tensor]  # theta, clipped apart from the rest
    other_parameters: list[Tensor]
    income: Income = field(default_factory=Income)  # the going rate of reward
    length: EpisodeLength = field(default_factory=EpisodeLength)
    ring: EpisodeRing | None = None  # the last finished episodes, where they are learnt from again
    synthetic: SyntheticReturns | None = None  # explains rewards by what is remembered, where credit goes by that
    targets: Moments = field(default_factory=Moments)  # of the critic

    def going_rate(self, options: LearningOptions) -> GoingRate:
        return GoingRate(self.income.rate, options.horizon * self.length.mean)

    def watch(self, chunk: Chunk) -> None:
        """Takes up what a chunk says of rewards and lengths."""
        done = chunk.complete
        self.income.add(float(chunk.reward[done].sum()), float(chunk.duration[done].sum()))
        self.length.add([e.length for e in chunk.episodes], chunk.steps)


def build_learner(agent: Any, options: LearningOptions, generator: torch.Generator) -> Learner:
    embed = list(agent.embed.parameters()) if hasattr(agent, "embed") else []
    known = {id(p) for p in embed}
    others = [p for p in agent.parameters() if id(p) not in known]
    replays = options.credit != "bootstrap" and hasattr(agent, "replay_episodes")
    synthetic = None
    if replays and options.credit == "synthetic":
        synthetic = drawn_from(generator, SyntheticReturns, agent.options.embedding_width)
        others += synthetic.parameters()
    optimizer = torch.optim.Adam([*embed, *others], lr=options.learning_rate, betas=BETAS, eps=EPSILON, fused=True)
    ring = EpisodeRing(options.episode_ring, finished_memory(agent)) if replays else None
    return Learner(optimizer, generator, embed, others, ring=ring, synthetic=synthetic)


def finished_memory(agent: Any) -> MemoryState:
    """An empty memory as the ring of finished episodes keeps it: true observations for the oracle alone, for what
    --check-cosine keeps beside the slots under way nobody reads there."""
    memory = agent.initial_state(1).memory
    if agent.options.recalculation != "oracle":
        memory.observation = None
    return memory


def drawn_from(generator: torch.Generator, build: Any, *arguments: Any) -> Any:
    """A module whose parameters are drawn by `generator`, not by torch's own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        return build(*arguments)


def advantages(chunk: Chunk, going: GoingRate, gae_lambda: float, paid: Tensor) -> Tensor:
    """Advantages [n]; `paid` [n] beside the rewards."""
    lam = torch.full_like(chunk.value, gae_lambda)
    # A decision that is still held counts with what it has earned so far, and beyond it with what was expected of it:
    # nothing but the critic's clock has moved on.
    next_value = torch.where(chunk.complete, chunk.next_value, chunk.value)
    return relative_advantages(chunk, chunk.value, next_value, lam, paid, going)


def update(agent: Any, chunk: Chunk, learner: Learner, options: LearningOptions, progress: float) -> dict[str, float]:
    """Learns from one chunk. `progress` in [0, 1] sets the schedules."""
    done = chunk.complete
    if not bool(done.any()):  # every action is still held
        return {}
    lr = options.learning_rate + progress * (options.final_learning_rate - options.learning_rate)
    ent_coef = options.ent_coef + progress * (options.final_ent_coef - options.ent_coef)
    for group in learner.optimizer.param_groups:
        group["lr"] = lr

    learner.watch(chunk)
    going, paid, terms = learner.going_rate(options), torch.zeros_like(chunk.value), None
    if learner.ring is not None and learner.ring.size > 0:
        rarity, bonus = Rarity.of(learner.ring, agent.codec.version), options.novelty_bonus * (1 - progress)
        terms = Terms(going, rarity, ent_coef, bonus, learner.synthetic)
        paid = paid_in_chunk(chunk, agent, terms)
    advantage = advantages(chunk, going, options.gae_lambda, paid)
    target = advantages(chunk, going, options.critic_lambda, paid) + chunk.value  # [n]
    if not bool(target[done].isfinite().all()):  # before anything of the agent has changed
        raise FloatingPointError(
            "what the critic should learn is not finite: look for such rewards and observations in the environment"
        )
    learner.targets.add(target[done])
    agent.heads.rescale(learner.targets.mean, learner.targets.std)

    advantage = advantage - advantage[done].mean()
    deviation = advantage[done].square().mean().sqrt() + 1e-8
    scaled, stakes = advantage / deviation, chunk.scale / deviation
    temperature = ent_coef * stakes  # the bonus weighs as much as what the state decides, else arms collapse

    log: dict[str, float] = {}
    for epoch in range(options.epochs):
        replay = agent.replay(chunk, options.states_per_env * chunk.num_envs, learner.generator)
        p = replay.picked
        weight = share_between(chunk.novel[p], options.novel_share)
        log_prob = torch.log_softmax(replay.logits, dim=-1).gather(1, chunk.action[p, None]).squeeze(1)
        policy = clipped_policy_loss(log_prob, chunk.log_prob[p], scaled[p], options.clip_coef)
        critic = value_loss(replay.value, target[p]) / agent.heads.value_std.square()
        scale = value_loss(replay.log_scale, (advantage[p].abs() + SMALLEST_SCALE).log())
        uncertainty = entropy(replay.logits)
        loss = (weight * (policy + options.vf_coef * critic + SCALE_COEF * scale - temperature[p] * uncertainty)).sum()

        if terms is not None:
            drawn = learner.ring.sample(options.replayed_episodes, learner.generator, terms.rarity.share_of_draws)
            loss = loss + episodic_loss(agent, drawn, terms, options, log)

        learner.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        crossed = recalculate_older(agent, chunk, replay.remembered, log if epoch == 0 else None)
        norms = [clip(p, options.max_grad_norm) for p in (learner.embed_parameters, learner.other_parameters)]
        if not all(math.isfinite(n) for n in norms):
            raise FloatingPointError(
                f"the gradient is not finite (norms {norms}) in epoch {epoch} of an update: lower --learning-rate, "
                "or look for non-finite rewards and observations in the environment"
            )
        learner.optimizer.step()

    with torch.no_grad():  # of the last epoch
        ratio = (log_prob - chunk.log_prob[p]).exp()
        log |= {
            "train/policy_loss": float((weight * policy).sum()),
            "train/value_loss": float((weight * critic).sum()),
            "train/entropy": float((weight * uncertainty).sum()),
            "train/entropy_decisive": weighted_mean(uncertainty, weight * advantage[p].abs()),
            "train/approx_kl": float((weight * approximate_kl(log_prob, chunk.log_prob[p])).sum()),
            "train/clip_fraction": float((weight * ((ratio - 1).abs() > options.clip_coef)).sum()),
            "train/explained_variance": explained_variance(chunk.value[done], target[done]),
            "train/reward_rate": learner.income.rate,
            "train/learning_rate": lr,
            "train/grad_norm": norms[1],
            "train/grad_norm_embedding": norms[0],
            "recalculation/codes": crossed.codes,
            "recalculation/share": crossed.share,
            "recalculation/drift": crossed.drift,
            "recalculation/gradient": crossed.gradient,
        }
    return log


def share_between(novel: Tensor, share: float) -> Tensor:
    """Weights [n] that sum to 1, of which `share` goes to the novel ones [n] bool, where there are both kinds."""
    count, novel = len(novel), novel.float()
    fresh = float(novel.sum())
    if fresh in (0.0, float(count)):
        return torch.full((count,), 1 / count)
    return novel * (share / fresh) + (1 - novel) * ((1 - share) / (count - fresh))


def recalculate_older(agent: Any, chunk: Chunk, remembered: Tensor | None, log: dict | None) -> Recalculated:
    """Carries the gradients of slots older than the chunk on into the embedding network."""
    if remembered is None or remembered.grad is None:
        return Recalculated()
    o, memory = agent.options, chunk.start.memory
    if log is not None and o.check_cosine:
        log["recalculation/cosine"] = cosine_with_oracle(
            memory, remembered.grad, agent.codec, agent.embed, o.recalculated_codes, o.min_fidelity
        )
    return recalculate(
        o.recalculation,
        memory,
        remembered.grad,
        agent.codec,
        agent.embed,
        o.recalculated_codes,
        o.min_fidelity,
        o.target_step,
    )


def clip(parameters: list[Tensor], max_norm: float) -> float:
    """Clips the gradients to `max_norm`; returns their norm before."""
    return float(torch.nn.utils.clip_grad_norm_(parameters, max_norm)) if parameters else 0.0


def weighted_mean(x: Tensor, weight: Tensor) -> float:
    total = float(weight.sum())
    return float((x * weight).sum()) / total if total > 0 else float("nan")


def update_codec(agent: Any, chunk: Chunk, generator: torch.Generator) -> dict[str, float]:
    """Shows the codec the chunk's frames, and trains it while it does not read all that was written."""
    novel = chunk.novel
    frames = rows_at(chunk.inputs.observation, novel)
    if len(frames) == 0:
        return {}
    codec, o = agent.codec, agent.options
    fidelity = codec.current.fidelity(frames, codec.current.encode(frames))
    faithful = float((fidelity >= o.min_fidelity).float().mean())
    codec.ring.add(frames)
    log = {"codec/fidelity": float(fidelity.mean()), "codec/faithful": faithful}
    if faithful < 1.0:
        log["codec/loss"] = codec.learn(o.codec_updates, generator)
    return log
