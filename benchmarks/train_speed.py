"""Training steps a second, end to end on one core: `python benchmarks/train_speed.py`.

The default agent on GridTMazePassive with 128 environments, beside sb3-contrib's RecurrentPPO (LSTM of 64 units, 16
environments, MiniGrid-MemoryS7) in the same run, where that is installed (`pip install -e '.[bench]'`). The speed
depends on the policy: one that walks straight on changes state seldom. So there are two figures: while the agent
learns to walk to the junction, and once it does. Absolute figures drift with the machine; the ratio is what counts.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import tyro

from agents.learner import build_learner, update, update_codec
from agents.rollout import collect, start_collecting
from envs.seeds import spawn_seeds
from experiment.build import build_agent, build_envs, generator
from experiment.options import RunOptions

WALKS = 1.25  # mean episode length over the corridor's, of an agent that walks to the junction


@dataclass(frozen=True)
class Speed:
    """Training speed beside a peer."""

    warm_up: float = 300.0
    """Seconds after which the clock starts even if the agent does not walk yet."""
    seconds: float = 10.0
    """Seconds that are timed."""
    lengths: tuple[int, ...] = (100, 1000)
    """Corridor lengths."""


def ours(length: int, warm_up: float, seconds: float) -> dict[str, float]:
    """Steps a second of the default agent while it learns to walk (at most `warm_up` seconds), and then."""
    options = dataclasses.replace(
        RunOptions(), env="Reinstate/GridTMazePassive-v0", env_kwargs=(f"length={length}",), num_envs=128
    )
    envs = build_envs(options, options.num_envs)
    agent = build_agent(options, envs.single_observation_space, int(envs.single_action_space.n))
    learner = build_learner(agent, options.learning, generator(0))
    c = start_collecting(envs, agent, spawn_seeds(1, options.num_envs, "training"), generator(1))

    def train_until(enough: Callable[[float, list[int]], bool]) -> tuple[float, float, float]:
        """Trains until `enough` of seconds and recent episodes' lengths; steps/s, seconds and mean length."""
        started, first, recent = time.perf_counter(), c.steps_done, []
        while True:
            passed = time.perf_counter() - started
            if enough(passed, recent):
                return (c.steps_done - first) / passed, passed, sum(recent) / len(recent) if recent else float("nan")
            chunk = collect(envs, agent, c, options.learning.chunk_steps)
            update(agent, chunk, learner, options.learning, 0.0, 0.0)
            update_codec(agent, chunk, learner.generator)
            recent = (recent + [e.length for e in chunk.episodes])[-options.num_envs :]

    def walks(passed: float, recent: list[int]) -> bool:
        straight = len(recent) == options.num_envs and sum(recent) / len(recent) <= WALKS * length
        return straight or passed >= warm_up

    learning, took, _ = train_until(walks)
    walked = took < warm_up
    speed, _, mean_length = train_until(lambda passed, recent: passed >= seconds)
    return {
        "steps_per_second": round(speed),
        "mean_episode_length": round(mean_length, 1) if mean_length == mean_length else None,
        "while_learning_to_walk": round(learning),
        "walked_after_seconds": round(took, 1) if walked else None,
    }


def peer(seconds: float) -> float | None:
    """Steps a second of RecurrentPPO; None where sb3-contrib is not installed."""
    try:
        from sb3_contrib import RecurrentPPO
        from stable_baselines3.common.env_util import make_vec_env
    except ImportError:
        return None
    from envs.adapt import make_single

    vector = make_vec_env(lambda: make_single("MiniGrid-MemoryS7-v0", {}), n_envs=16)
    model = RecurrentPPO("MlpLstmPolicy", vector, policy_kwargs={"lstm_hidden_size": 64}, device="cpu")
    model.learn(16 * 128)  # first calls are slow
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        model.learn(16 * 128, reset_num_timesteps=False)
        steps += 16 * 128
    return steps / (time.perf_counter() - started)


def main(options: Speed) -> None:
    torch.set_num_threads(1)
    other = peer(options.seconds)
    print("RecurrentPPO: " + ("sb3-contrib is not installed" if other is None else f"{other:,.0f} steps/s"))
    rows = []
    for length in options.lengths:
        row = {"length": length, **ours(length, options.warm_up, options.seconds), "peer": other and round(other)}
        row["ratio"] = None if other is None else round(row["steps_per_second"] / other, 1)
        rows.append(row)
        print(json.dumps(row))


if __name__ == "__main__":
    main(tyro.cli(Speed))
