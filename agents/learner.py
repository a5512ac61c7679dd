"""The update: a chunk in, better parameters out.

Letters: B environments, T steps of the chunk, N slots, D embedding width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from agents.advantages import gae
from agents.chunk import Chunk
from agents.losses import (
    approximate_kl,
    clipped_policy_loss,
    entropy,
    explained_variance,
    value_loss,
)
from agents.options import LearningOptions
from memory.recalculation import Recalculated, cosine_with_oracle, recalculate

SMALLEST_SCALE = 1e-3  # of an advantage, added before the logarithm
# Gradients shrink once the corridor is learnt: a long memory of their squares would keep the steps small for long.
BETAS = (0.9, 0.99)
SCALE_COEF = 0.05  # small: the scale's loss must not fill the gradient clip


@dataclass
class Learner:
    """Parameters' optimiser and generator: plain values that must survive a restart."""

    optimizer: torch.optim.Adam
    generator: torch.Generator  # samples the states to learn from, and the codec's frames
    embed_parameters: list[Tensor]  # theta, clipped apart from the rest
    other_parameters: list[Tensor]


def build_learner(agent: Any, options: LearningOptions, generator: torch.Generator) -> Learner:
    embed = list(agent.embed.parameters()) if hasattr(agent, "embed") else []
    known = {id(p) for p in embed}
    others = [p for p in agent.parameters() if id(p) not in known]
    optimizer = torch.optim.Adam([*embed, *others], lr=options.learning_rate, betas=BETAS, eps=1e-5, fused=True)
    return Learner(optimizer, generator, embed, others)


def update(
    agent: Any, chunk: Chunk, learner: Learner, options: LearningOptions, progress: float, bonus: float
) -> dict[str, float]:
    """Learns from one chunk. `progress` in [0, 1] sets the schedules; `bonus` is paid for each fresh write."""
    lr = options.learning_rate + progress * (options.final_learning_rate - options.learning_rate)
    ent_coef = options.ent_coef + progress * (options.final_ent_coef - options.ent_coef)
    for group in learner.optimizer.param_groups:
        group["lr"] = lr

    reward = chunk.reward + bonus * chunk.novel
    advantage = gae(
        reward,
        chunk.value,
        chunk.last_value,
        chunk.terminated,
        chunk.truncated,
        chunk.final_value,
        options.gamma,
        options.gae_lambda,
    )
    target = advantage + chunk.value  # [T, B]

    advantage = advantage - advantage.mean()
    deviation = advantage.square().mean().sqrt() + 1e-8
    scaled, stakes = advantage / deviation, chunk.scale / deviation
    temperature = ent_coef * stakes  # the bonus weighs as much as what the state decides, else arms collapse

    log: dict[str, float] = {}
    for epoch in range(options.epochs):
        replay = agent.replay(chunk, options.states_per_env * chunk.num_envs, learner.generator)
        weight = share_between(replay.weight, chunk.novel, options.novel_share)  # [T, B]
        log_prob = torch.log_softmax(replay.logits, dim=-1).gather(2, chunk.action[..., None]).squeeze(2)
        policy = clipped_policy_loss(log_prob, chunk.log_prob, scaled, options.clip_coef)
        critic = value_loss(replay.value, target) / deviation  # its gradient at V is in deviations of the advantage
        scale = value_loss(replay.log_scale, (advantage.abs() + SMALLEST_SCALE).log())
        uncertainty = entropy(replay.logits)
        loss = (weight * (policy + options.vf_coef * critic + SCALE_COEF * scale - temperature * uncertainty)).sum()

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
        ratio = (log_prob - chunk.log_prob).exp()
        log |= {
            "train/policy_loss": float((weight * policy).sum()),
            "train/value_loss": float((weight * critic).sum()),
            "train/entropy": float((weight * uncertainty).sum()),
            "train/entropy_decisive": weighted_mean(uncertainty, weight * advantage.abs()),
            "train/approx_kl": float((weight * approximate_kl(log_prob, chunk.log_prob)).sum()),
            "train/clip_fraction": float((weight * ((ratio - 1).abs() > options.clip_coef)).sum()),
            "train/explained_variance": explained_variance(chunk.value, target),
            "train/learning_rate": lr,
            "train/grad_norm": norms[1],
            "train/grad_norm_embedding": norms[0],
            "recalculation/codes": crossed.codes,
            "recalculation/share": crossed.share,
            "recalculation/drift": crossed.drift,
            "recalculation/gradient": crossed.gradient,
        }
    return log


def share_between(weight: Tensor, novel: Tensor, share: float) -> Tensor:
    """Weights [T, B] of which `share` goes to the novel steps and the rest to the others, where there are both."""
    first, rest = weight * novel, weight * ~novel
    if first.sum() == 0 or rest.sum() == 0:
        return weight
    return share * first / first.sum() + (1 - share) * rest / rest.sum()


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
    frames = chunk.inputs.observation[novel]
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
