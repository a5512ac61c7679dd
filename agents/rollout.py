"""Collecting chunks from a vector of environments (autoreset in the same step)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.chunk import Chunk, EpisodeEnd, Inputs, empty_chunk


@dataclass
class Collector:
    """Where a run stands between chunks: plain values, all that must survive a restart beside the environments."""

    inputs: Inputs  # what the next step will see
    agent_state: Any
    generator: torch.Generator | None  # samples actions; None is greedy
    returns: np.ndarray  # [B] of the episodes under way
    lengths: np.ndarray  # [B]
    steps_done: int = 0  # environment steps so far


def as_tensor(observation: np.ndarray) -> Tensor:
    """A batch of observations as a tensor of its own: environments may reuse their buffers."""
    return torch.tensor(observation)


def start_collecting(envs: Any, agent: Any, seeds: list[int], generator: torch.Generator | None) -> Collector:
    """Resets environment i with seeds[i]."""
    observation, _ = envs.reset(seed=seeds)
    B = envs.num_envs
    inputs = Inputs(as_tensor(observation), torch.full((B,), -1), torch.zeros(B), torch.ones(B, dtype=torch.bool))
    return Collector(inputs, agent.initial_state(B), generator, np.zeros(B), np.zeros(B, dtype=np.int64))


def collect(envs: Any, agent: Any, c: Collector, steps: int) -> Chunk:
    """Runs `steps` steps in each environment and moves the collector on."""
    chunk = empty_chunk(steps, c.inputs.observation)
    chunk.start = agent.begin_chunk(c.agent_state, steps)
    timeline = getattr(chunk.start, "timeline", None)
    for t in range(steps):
        record = None if timeline is None else (timeline, t)
        decision, c.agent_state = agent.act(c.inputs, c.agent_state, c.generator, record)
        observation, reward, terminated, truncated, info = envs.step(decision.action.numpy())
        done = terminated | truncated

        i = chunk.inputs
        i.observation[t], i.prev_action[t] = c.inputs.observation, c.inputs.prev_action
        i.prev_reward[t], i.is_first[t] = c.inputs.prev_reward, c.inputs.is_first
        chunk.action[t], chunk.log_prob[t] = decision.action, decision.log_prob
        chunk.scale[t] = decision.scale
        chunk.value[t], chunk.novel[t], chunk.changed[t] = decision.value, decision.novel, decision.changed
        chunk.reward[t] = torch.from_numpy(np.asarray(reward, dtype=np.float32))
        chunk.terminated[t], chunk.truncated[t] = torch.from_numpy(terminated), torch.from_numpy(truncated)
        chunk.truncated[t] &= ~chunk.terminated[t]
        cut = chunk.truncated[t].nonzero()[:, 0]
        if len(cut) > 0:
            chunk.final_value[t, cut] = _value_of_final(agent, c, info, decision.action, chunk.reward[t], cut)

        c.returns += reward
        c.lengths += 1
        c.steps_done += envs.num_envs
        if done.any():
            chunk.episodes += _episode_ends(c, done, info)
        c.inputs = _next_inputs(observation, decision.action, chunk.reward[t], torch.from_numpy(done))
    chunk.last_value = _peek(agent, c.inputs, c.agent_state, torch.arange(envs.num_envs))
    return chunk


def _next_inputs(observation: np.ndarray, action: Tensor, reward: Tensor, is_first: Tensor) -> Inputs:
    """What the next step sees; the first step of an episode has no previous action and no previous reward."""
    return Inputs(
        as_tensor(observation),
        torch.where(is_first, -1, action),
        torch.where(is_first, 0.0, reward),
        is_first,
    )


def _peek(agent: Any, inputs: Inputs, state: Any, index: Tensor) -> Tensor:
    """Values [n] at environments `index` [n], on copies: nothing is written, nothing moves on."""
    rows = state.rows(index) if hasattr(state, "rows") else state[index]
    return agent.act(inputs.rows(index), rows, None)[0].value


def _value_of_final(agent: Any, c: Collector, info: dict, action: Tensor, reward: Tensor, cut: Tensor) -> Tensor:
    """V(final observation, live memory) [n] of truncated episodes: the agent before its reset."""
    final = as_tensor(np.stack([info["final_obs"][int(b)] for b in cut]))
    inputs = Inputs(final, action[cut], reward[cut], torch.zeros(len(cut), dtype=torch.bool))
    rows = c.agent_state.rows(cut) if hasattr(c.agent_state, "rows") else c.agent_state[cut]
    return agent.act(inputs, rows, None)[0].value


def _episode_ends(c: Collector, done: np.ndarray, info: dict) -> list[EpisodeEnd]:
    final = info.get("final_info", {})
    # Environments that tell only sometimes leave the others' entries at a default: the mask says which are theirs.
    told = {key: final.get(f"_{key}", done) for key in ("is_success", "cue") if key in final}
    ends = []
    for b in np.flatnonzero(done):
        success = bool(final["is_success"][b]) if "is_success" in told and told["is_success"][b] else None
        cue = int(final["cue"][b]) if "cue" in told and told["cue"][b] else None
        ends.append(EpisodeEnd(float(c.returns[b]), int(c.lengths[b]), success, cue, int(b), c.steps_done))
    c.returns[done] = 0.0
    c.lengths[done] = 0
    return ends
