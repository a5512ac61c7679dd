"""Collecting chunks from a vector of environments (autoreset in the same step)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reinstate.agents.chunk import Chunk, EpisodeEnd, Inputs
from reinstate.agents.decision_log import DecisionLog, Held
from reinstate.agents.holding import Holding, as_bytes, rows_differ
from reinstate.memory.episodes import EpisodeRing


@dataclass
class Collector:
    """Where a run stands between chunks: plain values, all that is carried on beside the environments."""

    observation: np.ndarray  # [B, ...] what the next step sees
    prev_action: np.ndarray  # [B] int64, -1 on a first step
    prev_reward: np.ndarray  # [B] float32, 0 on a first step
    lengths: np.ndarray  # [B] int64 steps of the episodes under way
    returns: np.ndarray  # [B] of the episodes under way
    action: np.ndarray  # [B] int64, held until the next decision
    holding: Holding
    held: Held | None  # what the last chunk left open
    agent_state: Any
    generator: torch.Generator | None  # samples actions; None is greedy
    steps_done: int = 0  # environment steps so far

    def inputs(self, index: np.ndarray) -> Inputs:
        """What the environments `index` [n] see now, as copies."""
        return Inputs(
            torch.from_numpy(self.observation[index]),
            torch.from_numpy(self.prev_action[index]),
            torch.from_numpy(self.prev_reward[index]),
            torch.from_numpy(self.lengths[index] == 0),
            torch.from_numpy(self.lengths[index]),
            torch.from_numpy(self.returns[index].astype(np.float32)),
        )


def start_collecting(
    envs: Any,
    agent: Any,
    seeds: list[int],
    generator: torch.Generator | None,
    hold_growth: float,
    spread: tuple[int, int] = (0, 0),
) -> Collector:
    """Resets environment i with seeds[i]. `hold_growth`: see `agents/holding.py`. `spread`: the steps and the seed of
    `spread_out`."""
    observation, _ = envs.reset(seed=seeds)
    B = envs.num_envs
    growth = 1.0 if agent.decides_at_every_step else hold_growth
    c = Collector(
        observation=observation.copy(),
        prev_action=np.full(B, -1),
        prev_reward=np.zeros(B, dtype=np.float32),
        lengths=np.zeros(B, dtype=np.int64),
        returns=np.zeros(B),
        action=np.zeros(B, dtype=np.int64),
        holding=Holding.begin(B, growth),
        held=None,
        agent_state=agent.initial_state(B),
        generator=generator,
    )
    if spread[0] > 0:
        spread_out(envs, c, *spread)
    return c


def spread_out(envs: Any, c: Collector, steps: int, seed: int) -> None:
    """Plays `steps` random actions in each environment and resets each at a random one of them, so that they do not go
    through their episodes in step. The first decision is then made in the middle of an episode, with an empty memory.
    """
    rng = np.random.default_rng(seed)
    reset_at = rng.integers(steps, size=envs.num_envs)
    for step in range(steps):
        c.action[:] = rng.integers(envs.single_action_space.n, size=envs.num_envs)
        observation, reward, terminated, truncated, _ = envs.step(c.action)
        c.returns += reward
        c.lengths += 1
        due = reset_at == step
        if due.any():
            observation, _ = envs.reset(options={"reset_mask": due})
        over = terminated | truncated | due
        c.returns[over] = 0.0
        c.lengths[over] = 0
        see(c, observation, reward.astype(np.float32), over)
    c.steps_done += steps * envs.num_envs
    c.holding = Holding.begin(envs.num_envs, c.holding.growth)


def collect(
    envs: Any, agent: Any, c: Collector, steps: int, decisions: int, episode_ring: EpisodeRing | None = None
) -> Chunk:
    """Runs `steps` steps in each environment, fewer where each has decided `decisions` times on average before, and
    moves the collector on. The slots of episodes that end go into `episode_ring`."""
    start = agent.begin_chunk(c.agent_state)
    timeline = getattr(start, "timeline", None)
    log, episodes = DecisionLog(envs.num_envs, steps), []
    enough = decisions * envs.num_envs
    if c.held is not None:
        log.go_on(c.held, c.observation)
        if timeline is not None:
            timeline.record_read(torch.from_numpy(c.held.env))
    while log.steps < steps and log.size < enough:
        deciding = c.holding.deciding()
        if len(deciding) > 0:
            inputs, index = c.inputs(deciding), torch.from_numpy(deciding)
            decision, c.agent_state = agent.act(inputs, c.agent_state, index, c.generator, timeline)
            log.add(deciding, inputs, decision)
            c.action[deciding] = decision.action.numpy()
            c.holding.decided(deciding)
        observation, reward, terminated, truncated, info = envs.step(c.action)
        log.pay(reward)
        c.returns += reward
        c.lengths += 1
        c.steps_done += envs.num_envs
        done = terminated | truncated
        if done.any():
            log.terminate(np.flatnonzero(terminated))
            cut = np.flatnonzero(truncated & ~terminated)
            if len(cut) > 0:
                log.close(cut, value_of_final(agent, c, info, reward, cut))
            if episode_ring is not None:
                ended = torch.from_numpy(np.flatnonzero(done))
                figures = (torch.from_numpy(x[done]) for x in (c.returns, c.lengths, terminated))
                episode_ring.add(c.agent_state.memory.rows(ended), *figures)
            episodes += _episode_ends(c, done, info)
        see(c, observation, reward.astype(np.float32), done)
    due = c.holding.deciding()
    due = due[log.open[due] >= 0]
    if len(due) > 0:
        log.close(due, peek(agent, c.inputs(due), c.agent_state, torch.from_numpy(due)))
    chunk = log.chunk()
    c.held = log.still_open(chunk)
    chunk.start, chunk.episodes = start, episodes
    return chunk


def see(c: Collector, observation: np.ndarray, reward: np.ndarray, done: np.ndarray) -> None:
    """Takes up what a step gave [B, ...]; the first step of an episode has no previous action and no reward."""
    action = np.where(done, -1, c.action)
    reward[done] = 0.0
    changed = done | (reward != c.prev_reward)
    rows_differ(as_bytes(observation), as_bytes(c.observation), changed)
    c.holding.advance(changed, action != c.prev_action)
    c.observation[...] = observation
    c.prev_action, c.prev_reward = action, reward


def peek(agent: Any, inputs: Inputs, state: Any, index: Tensor) -> np.ndarray:
    """Values [n] at environments `index` [n], on copies: nothing is written, nothing moves on."""
    rows = state.rows(index) if hasattr(state, "rows") else state[index]
    return agent.act(inputs, rows, torch.arange(len(index)), None)[0].value.numpy()


def value_of_final(agent: Any, c: Collector, info: dict, reward: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """V(final observation, live memory) [n] of truncated episodes: the agent before its reset."""
    inputs = Inputs(
        torch.from_numpy(np.stack([info["final_obs"][int(b)] for b in cut])),
        torch.from_numpy(c.action[cut]),
        torch.from_numpy(reward[cut].astype(np.float32)),
        torch.zeros(len(cut), dtype=torch.bool),
        torch.from_numpy(c.lengths[cut]),
        torch.from_numpy(c.returns[cut].astype(np.float32)),
    )
    return peek(agent, inputs, c.agent_state, torch.from_numpy(cut))


def _episode_ends(c: Collector, done: np.ndarray, info: dict) -> list[EpisodeEnd]:
    final = info.get("final_info", {})
    # Environments that tell only sometimes leave the others' entries at a default: the mask says which are theirs.
    told = {key: final.get(f"_{key}", done) for key in ("is_success", "cue") if key in final}
    ends = []
    for b in np.flatnonzero(done):
        success = bool(final["is_success"][b]) if "is_success" in told and told["is_success"][b] else None
        cue = final["cue"][b] if "cue" in told and told["cue"][b] else None
        cue = int(cue) if isinstance(cue, (int, np.integer)) else None  # other environments may call anything a cue
        ends.append(EpisodeEnd(float(c.returns[b]), int(c.lengths[b]), success, cue, int(b), c.steps_done))
    c.returns[done] = 0.0
    c.lengths[done] = 0
    return ends
