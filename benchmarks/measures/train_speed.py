"""Training steps a second, end to end on one core.

The default agent on GridTMazePassive with 128 environments, beside sb3-contrib's RecurrentPPO (LSTM of 64 units, 16
environments, MiniGrid-MemoryS7) in the same run, where that is installed (`pip install -e '.[bench]'`). The speed
depends on the policy: one that walks straight on changes state seldom. So the agent first learns to walk in a corridor
of length 100 (the first row is its speed meanwhile), and then trains further in each of the lengths; the mean length of
its episodes there tells how straight it walks. Absolute figures drift with the machine; the ratio is what counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from benchmarks.rows import Row, markdown
from reinstate.agents.collector import collect
from reinstate.agents.ppo import update
from reinstate.experiment.build import untrained
from reinstate.experiment.options import RunOptions
from reinstate.experiment.trainer import Trainer

ENVS = 128
WALKING_LENGTH = 100
LENGTHS = (100, 1000)
WARM_UP = 120.0  # seconds after which the clock starts even if the agent does not walk yet
SECONDS = 10.0  # that are timed; half as many go before
MIDWAY = 0.5  # of the schedules of learning rate and entropy: most of a run is spent walking
WALKS = 1.25  # mean episode length over the corridor's, of an agent that walks to the junction


def cells(known: list[Row]) -> Iterable[Row]:
    return [{"peer": "RecurrentPPO"}]


def rows(cell: Row) -> Iterator[Row]:
    """One while the agent learns to walk, then one for each length."""
    other = peer(SECONDS)
    for row in ours():
        ratio = None if other is None else round(row["steps_per_second"] / other, 1)
        yield cell | row | {"peer_steps_per_second": other and round(other), "ratio": ratio}


def table(rows: list[Row]) -> str:
    heads = ["policy", "length", "steps_per_second", "mean_episode_length", "peer_steps_per_second", "ratio"]
    lines = [["-" if r[key] is None else str(r[key]) for key in heads] for r in rows]
    return markdown([head.replace("_", " ") for head in heads], lines)


class Training:
    """The default agent in training, on corridors of any length."""

    def __init__(self) -> None:
        options = corridor(WALKING_LENGTH)
        self.trainer = Trainer(options, untrained(options))
        self.recent: list[int] = []  # lengths of the last episodes

    def enter(self, length: int) -> None:
        """Continues in corridors of this length."""
        there = Trainer(corridor(length), self.trainer.agent)
        self.trainer.envs, self.trainer.collector = there.envs, there.collector
        self.recent = []

    def run(self, progress: float, enough: Callable[[float], bool]) -> tuple[float, float]:
        """Trains at this point of the schedules until `enough` of the seconds passed; steps/s and seconds."""
        trainer, o = self.trainer, self.trainer.options.learning
        learner, started, first = trainer.learner, time.perf_counter(), trainer.steps_done
        while not enough(passed := time.perf_counter() - started):
            terms = learner.extras.terms
            rollout = collect(
                trainer.envs, trainer.agent, trainer.collector, o.rollout_steps, o.rollout_decisions, terms
            )
            update(trainer.agent, rollout, learner, progress)
            for side in learner.extras.side_learners:
                side.learn(rollout, learner.generator)
            self.recent = (self.recent + [e.length for e in rollout.episodes])[-ENVS:]
        return (trainer.steps_done - first) / passed, passed

    @property
    def mean_length(self) -> float | None:
        return sum(self.recent) / len(self.recent) if self.recent else None

    @property
    def walks(self) -> bool:
        return len(self.recent) == ENVS and sum(self.recent) / ENVS <= WALKS * WALKING_LENGTH


def corridor(length: int) -> RunOptions:
    return RunOptions(env="Reinstate/GridTMazePassive-v0", env_kwargs=(f"length={length}",), num_envs=ENVS)


def ours() -> Iterator[Row]:
    """Learns to walk in a short corridor, then trains further in each of the lengths."""
    training = Training()
    speed, took = training.run(0.0, lambda passed: training.walks or passed >= WARM_UP)
    policy = f"walked after {took:.0f} s" if training.walks else "does not walk yet"
    learning = {"policy": "learns to walk", "length": WALKING_LENGTH}
    yield learning | {"steps_per_second": round(speed), "mean_episode_length": None}
    for length in LENGTHS:
        training.enter(length)
        training.run(MIDWAY, lambda passed: passed >= SECONDS / 2)
        speed, _ = training.run(MIDWAY, lambda passed: passed >= SECONDS)
        mean = training.mean_length
        figures = {"steps_per_second": round(speed), "mean_episode_length": mean and round(mean, 1)}
        yield {"policy": policy, "length": length} | figures


def peer(seconds: float) -> float | None:
    """Steps a second of RecurrentPPO; None where sb3-contrib is not installed."""
    try:
        from sb3_contrib import RecurrentPPO
        from stable_baselines3.common.env_util import make_vec_env
    except ImportError:
        return None
    from reinstate.envs.adapt import make_single

    vector = make_vec_env(lambda: make_single("MiniGrid-MemoryS7-v0", {}), n_envs=16)
    model = RecurrentPPO("MlpLstmPolicy", vector, policy_kwargs={"lstm_hidden_size": 64}, device="cpu")
    model.learn(16 * 128)  # first calls are slow
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        model.learn(16 * 128, reset_num_timesteps=False)
        steps += 16 * 128
    return steps / (time.perf_counter() - started)
