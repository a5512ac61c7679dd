"""Evaluation: each environment plays a fixed number of episodes, so that short episodes do not count more."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypedDict

import gymnasium as gym
import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv
from gymnasium.wrappers import TimeLimit
from minigrid.minigrid_env import MiniGridEnv

from reinstate.agents.collector import Collector, ends_of, start_collecting
from reinstate.agents.interface import Agent, State
from reinstate.agents.rollout import EpisodeEnd
from reinstate.envs.engine.batch import BatchEnv
from reinstate.envs.seeds import spawn_seeds
from reinstate.experiment.build import build_envs, generator
from reinstate.experiment.options import RunOptions

MOST_ENVS = 200
MOST_STEPS = 10_000  # of an episode that may never end


class Evaluation(TypedDict):
    """Means over the episodes of one evaluation."""

    episodes: int
    mean_reward: float  # return of an episode
    mean_ep_length: float  # steps
    success_rate: float | None  # None where the environment does not report success
    success_by_cue: dict[str, float]  # for each value of info["cue"], where that exists
    cut: int  # episodes that were cut after `max_steps`; they count as they are, and as no success
    max_steps: int | None  # None where every episode is played to its end


def quotas(episodes: int, num_envs: int) -> np.ndarray:
    """Episodes that each environment plays, as even as possible.

    >>> quotas(7, 3).tolist()
    [3, 2, 2]
    """
    return np.array([episodes // num_envs + (i < episodes % num_envs) for i in range(num_envs)])


def evaluate(
    agent: Agent[State], options: RunOptions, episodes: int = 200, seed: int = 0, greedy: bool = True
) -> Evaluation:
    """Plays `episodes` episodes on seeds that training never sees; `greedy` takes the most probable actions."""
    envs = build_envs(options, min(episodes, MOST_ENVS))
    try:
        most = step_limit(envs, options)
        collector = start_evaluating(envs, agent, options, seed, greedy)
        return summary(play(envs, agent, collector, quotas(episodes, envs.num_envs), max_steps=most), most)
    finally:
        envs.close()


def step_limit(envs: VectorEnv, options: RunOptions) -> int | None:
    """Steps after which an episode is cut; None where the environments end each by themselves."""
    if options.eval_max_steps is not None:
        return options.eval_max_steps
    ends = isinstance(envs, BatchEnv) or (isinstance(envs, SyncVectorEnv) and all(map(has_time_limit, envs.envs)))
    return None if ends else MOST_STEPS


def has_time_limit(env: gym.Env) -> bool:
    """Whether every episode ends: MiniGrid's own limit, or a TimeLimit, which registrations set."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, TimeLimit):
            return True
        env = env.env
    return isinstance(env, MiniGridEnv)


def start_evaluating(
    envs: VectorEnv, agent: Agent[State], options: RunOptions, seed: int, greedy: bool
) -> Collector[State]:
    """Resets the environments on evaluation's own seeds."""
    sampling = None if greedy else generator(seed)
    seeds = spawn_seeds(seed, envs.num_envs, "evaluation")
    return start_collecting(envs, agent, seeds, sampling, options.learning.action_repeat)


def play(
    envs: VectorEnv,
    agent: Agent[State],
    c: Collector[State],
    quota: np.ndarray,
    at_end: Callable[[EpisodeEnd, State, bool], None] | None = None,
    max_steps: int | None = None,
) -> list[EpisodeEnd]:
    """The first `quota[i]` episodes of environment i, for every i.

    Args:
        at_end: called with each of them, the agent's state before the reset, and whether it terminated.
        max_steps: steps after which an episode is cut.
    """
    left, ends = quota.copy(), []
    while (left > 0).any():
        c.decide(agent)
        observation, reward, terminated, truncated, info = c.step(envs)
        done = terminated | truncated
        cut = ~done & (c.lengths >= max_steps) if max_steps is not None else np.zeros_like(done)
        for end in [*ends_of(c, done, info), *(cut_short(c, int(b)) for b in np.flatnonzero(cut))]:
            if left[end.env] > 0:
                left[end.env] -= 1
                ends.append(end)
                if at_end is not None:
                    at_end(end, c.agent_state, bool(terminated[end.env]))
        if cut.any():
            observation, _ = envs.reset(options={"reset_mask": cut})
        c.see(observation, reward, done | cut)
    return ends


def cut_short(c: Collector[State], env: int) -> EpisodeEnd:
    """The episode of an environment as it is now; whether it would have succeeded is not known."""
    return EpisodeEnd(float(c.returns[env]), int(c.lengths[env]), None, None, env, c.steps_done, cut=True)


def summary(ends: list[EpisodeEnd], max_steps: int | None = None) -> Evaluation:
    """Means over episodes; success over those that report it, and those that were cut before they could."""
    reported = [e for e in ends if e.success is not None]
    cues = sorted({e.cue for e in reported if e.cue is not None})
    cut = sum(e.cut for e in ends)
    return {
        "episodes": len(ends),
        "mean_reward": float(np.mean([e.ret for e in ends])),
        "mean_ep_length": float(np.mean([e.length for e in ends])),
        "success_rate": sum(bool(e.success) for e in reported) / (len(reported) + cut) if reported else None,
        "success_by_cue": {str(c): float(np.mean([e.success for e in reported if e.cue == c])) for c in cues},
        "cut": cut,
        "max_steps": max_steps,
    }


def passes(result: Evaluation, threshold: float) -> bool:
    """True where the success rate reaches `threshold`, over all episodes and for every cue."""
    rates = [result["success_rate"], *result["success_by_cue"].values()]
    return all(rate is not None and rate >= threshold for rate in rates)


def reaches(result: Evaluation, options: RunOptions) -> bool:
    """True where a greedy evaluation is good enough to stop."""
    success, mean = options.stop_at_success, options.stop_at_return
    return (success is not None and passes(result, success)) or (mean is not None and result["mean_reward"] >= mean)


def cut_in_words(results: Collection[Evaluation]) -> str | None:
    """That episodes were cut; None where none was."""
    cut, episodes = sum(r["cut"] for r in results), sum(r["episodes"] for r in results)
    after = max((r["max_steps"] or 0 for r in results), default=0)
    text = f"{cut} of {episodes} evaluation episodes were cut after {after:,} steps: --eval-max-steps sets this"
    return text if cut else None
