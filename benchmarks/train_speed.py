"""Training steps a second, end to end on one core: `python benchmarks/train_speed.py`.

The default agent on GridTMazePassive with 128 environments, beside sb3-contrib's RecurrentPPO (LSTM of 64 units, 16
environments, MiniGrid-MemoryS7) in the same run, where that is installed (`pip install -e '.[bench]'`). The speed
depends on the policy: one that walks straight on changes state seldom, so the agent is first trained for --warm-up
seconds. Absolute figures drift with the machine; the ratio is what counts.
"""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass

import torch
import tyro

from agents.learner import build_learner, update, update_codec
from agents.rollout import collect, start_collecting
from envs.seeds import spawn_seeds
from experiment.build import build_agent, build_envs, generator
from experiment.options import RunOptions


@dataclass(frozen=True)
class Speed:
    """Training speed beside a peer."""

    warm_up: float = 30.0
    """Seconds of training before the clock starts."""
    seconds: float = 10.0
    """Seconds that are timed."""
    lengths: tuple[int, ...] = (100, 1000)
    """Corridor lengths."""


def ours(length: int, warm_up: float, seconds: float) -> dict[str, float]:
    """Steps a second of the default agent, and its success in the timed part."""
    options = dataclasses.replace(
        RunOptions(), env="Reinstate/GridTMazePassive-v0", env_kwargs=(f"length={length}",), num_envs=128
    )
    envs = build_envs(options, options.num_envs)
    agent = build_agent(options, envs.single_observation_space, int(envs.single_action_space.n))
    learner = build_learner(agent, options.learning, generator(0))
    c = start_collecting(envs, agent, spawn_seeds(1, options.num_envs, "training"), generator(1))
    ends: list[int] = []
    started, from_step, clock = time.perf_counter(), 0, 0.0
    while True:
        now = time.perf_counter() - started
        if not clock and now >= warm_up:
            from_step, clock, ends = c.steps_done, now, []
        if clock and now - clock >= seconds:
            break
        chunk = collect(envs, agent, c, options.learning.chunk_steps)
        update(agent, chunk, learner, options.learning, 0.0, 0.0)
        update_codec(agent, chunk, learner.generator)
        ends += [e.length for e in chunk.episodes]
    mean_length = sum(ends) / len(ends) if ends else float("nan")
    return {"steps_per_second": (c.steps_done - from_step) / (now - clock), "mean_episode_length": mean_length}


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
        row = {"length": length, **ours(length, options.warm_up, options.seconds), "peer": other}
        row["ratio"] = None if other is None else row["steps_per_second"] / other
        rows.append(row)
        print(json.dumps(row))


if __name__ == "__main__":
    main(tyro.cli(Speed))
