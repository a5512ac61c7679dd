"""Collecting rollouts from a vector of environments (autoreset in the same step)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic

import numpy as np
import torch
from gymnasium.spaces import Discrete
from gymnasium.vector import VectorEnv
from torch import Tensor

from reinstate.agents.action_repeat import GROWTH, ActionRepeat, as_bytes, rows_differ
from reinstate.agents.decision_log import NONE, DecisionLog, Pending
from reinstate.agents.interface import Agent, LossTerm, RolloutRecord, State
from reinstate.agents.rollout import Decision, EpisodeEnd, Inputs, Rollout

LARGEST = 1e18  # of rewards and observations: the squares of larger numbers overflow a float32
ARRAYS = ("observation", "prev_action", "prev_reward", "lengths", "returns", "action")


class RolloutStopped(Exception):
    """A rollout ended before it was complete; it goes on with the next call of `collect`."""


@dataclass
class Collector(Generic[State]):
    """What is carried from one rollout to the next, beside the environments: plain values."""

    observation: np.ndarray  # [B, ...] the next step's
    prev_action: np.ndarray  # [B] int64, -1 on a first step
    prev_reward: np.ndarray  # [B] float32, 0 on a first step
    lengths: np.ndarray  # [B] int64 steps of the current episodes
    returns: np.ndarray  # [B] of the current episodes
    action: np.ndarray  # [B] int64, repeated until the next decision
    repeat: ActionRepeat
    pending: Pending | None  # decisions that the last rollout left open
    agent_state: State
    generator: torch.Generator | None  # samples actions; None is greedy
    steps_done: int = 0  # environment steps so far
    unfinished: dict[str, Any] | None = None  # a rollout that was stopped, as plain values

    @property
    def begun_at(self) -> int:
        """Environment steps before the rollout that was stopped, or now where none was."""
        steps = 0 if self.unfinished is None else self.unfinished["log"]["steps"]
        return self.steps_done - steps * len(self.lengths)

    def inputs(self, index: np.ndarray) -> Inputs:
        """What the environments `index` [n] show now, as copies."""
        return Inputs(
            torch.from_numpy(self.observation[index]),
            torch.from_numpy(self.prev_action[index]),
            torch.from_numpy(self.prev_reward[index]),
            torch.from_numpy(self.lengths[index] == 0),
            torch.from_numpy(self.lengths[index]),
            torch.from_numpy(self.returns[index].astype(np.float32)),
        )

    def decide(
        self, agent: Agent[State], record: RolloutRecord | None = None
    ) -> tuple[np.ndarray, Inputs, Decision] | None:
        """The environments [n] where the agent decides now, its inputs and its decisions; None where there are none."""
        deciding = self.repeat.deciding()
        if len(deciding) == 0:
            return None
        inputs, index = self.inputs(deciding), torch.from_numpy(deciding)
        decision, self.agent_state = agent.act(inputs, self.agent_state, index, self.generator, record)
        self.action[deciding] = decision.action.numpy()
        self.repeat.decided(deciding)
        return deciding, inputs, decision

    def step(self, envs: VectorEnv) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Takes a step in all environments. Call `see` afterwards, when the episodes that ended are dealt with."""
        observation, reward, terminated, truncated, info = envs.step(self.action)
        self.check(observation, reward)
        self.returns += reward
        self.lengths += 1
        self.steps_done += envs.num_envs
        return observation, reward, terminated, truncated, info

    def check(self, observation: np.ndarray, reward: np.ndarray) -> None:
        """Raises FloatingPointError where what a step returned [B, ...] cannot be learnt from."""

        def when(b: int) -> str:
            steps = self.steps_done + len(reward)
            return f"at step {self.lengths[b] + 1} of its episode ({steps:,} environment steps in all)"

        check_numbers("reward", reward, when)
        check_numbers("observation", observation, when)

    def see(self, observation: np.ndarray, reward: np.ndarray, done: np.ndarray) -> None:
        """Takes in what a step returned [B, ...]; an episode's first step has no previous action and no reward."""
        action = np.where(done, -1, self.action)
        reward = np.where(done, 0.0, reward).astype(np.float32)
        changed = done | (reward != self.prev_reward)
        rows_differ(as_bytes(observation), as_bytes(self.observation), changed)
        self.repeat.advance(changed, action != self.prev_action)
        self.observation[...] = observation
        self.prev_action, self.prev_reward = action, reward
        self.returns[done] = 0.0
        self.lengths[done] = 0

    def state_dict(self) -> dict[str, Any]:
        """Plain values, without the environments' own state."""
        return {
            **{name: torch.from_numpy(getattr(self, name).copy()) for name in ARRAYS},
            "repeat": self.repeat.state_dict(),
            "pending": None if self.pending is None else self.pending.state_dict(),
            "agent_state": self.agent_state.state_dict(),
            "generator": None if self.generator is None else self.generator.get_state(),
            "steps_done": self.steps_done,
            "unfinished": self.unfinished,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        for name in ARRAYS:
            setattr(self, name, state[name].numpy().copy())
        self.repeat.load_state_dict(state["repeat"])
        self.pending = None if state["pending"] is None else Pending.from_state_dict(state["pending"])
        self.agent_state.load_state_dict(state["agent_state"])
        if self.generator is not None:
            self.generator.set_state(state["generator"])
        self.steps_done, self.unfinished = state["steps_done"], state["unfinished"]

    def restart(self, index: np.ndarray, observation: np.ndarray) -> None:
        """New episodes have begun in environments `index` [n]: nothing is learnt from what was open there.

        Args:
            observation: [n, ...], their first ones.
        """
        self.observation[index] = observation
        self.prev_action[index], self.prev_reward[index] = -1, 0.0
        self.lengths[index], self.returns[index] = 0, 0.0
        self.repeat.restart(index)
        if self.pending is not None:
            self.pending = self.pending.without(torch.from_numpy(index))
        if self.unfinished is not None:
            self.unfinished["log"]["open"][torch.from_numpy(index)] = NONE


def start_collecting(
    envs: VectorEnv,
    agent: Agent[State],
    seeds: Sequence[int],
    generator: torch.Generator | None,
    action_repeat: bool,
) -> Collector[State]:
    """Resets environment i with seeds[i]. `action_repeat`: see `agents/action_repeat.py`."""
    observation, _ = envs.reset(seed=list(seeds))  # type: ignore[arg-type]  # a list seeds them one by one
    check_numbers("observation", observation, lambda b: "at its first reset")
    B = envs.num_envs
    growth = GROWTH if action_repeat and not agent.decides_every_step else 1.0
    return Collector(
        observation=observation.copy(),
        prev_action=np.full(B, -1),
        prev_reward=np.zeros(B, dtype=np.float32),
        lengths=np.zeros(B, dtype=np.int64),
        returns=np.zeros(B),
        action=np.zeros(B, dtype=np.int64),
        repeat=ActionRepeat.begin(B, growth),
        pending=None,
        agent_state=agent.initial_state(B),
        generator=generator,
    )


def check_numbers(name: str, numbers: np.ndarray, when: Callable[[int], str], env: np.ndarray | None = None) -> None:
    """Raises FloatingPointError where floats are not finite or too large to learn from.

    Args:
        numbers: [B, ...], or [n, ...] of the environments `env` [n].
        when: tells the moment in environment b.
    """
    if numbers.dtype.kind != "f" or (numbers.max() <= LARGEST and numbers.min() >= -LARGEST):  # nan is not
        return
    wrong = ~(np.abs(numbers) <= LARGEST)
    row = int(np.flatnonzero(wrong.reshape(len(numbers), -1).any(axis=1))[0])
    b = row if env is None else int(env[row])
    raise FloatingPointError(
        f"environment {b} returned the {name} {numbers[row][wrong[row]].flat[0]:g} {when(b)}: learning needs finite "
        f"numbers, at most {LARGEST:g} in size; mend the environment, or wrap it so that it clips its {name}s"
    )


def stagger(envs: VectorEnv, c: Collector[State], steps: int, seed: int) -> None:
    """Staggered resets: plays `steps` random actions in each environment and resets each at a random one of them, so
    that episodes are not in phase. The first decision is then made in the middle of an episode, with an empty memory.
    """
    rng, actions = np.random.default_rng(seed), envs.single_action_space
    assert isinstance(actions, Discrete)
    reset_at = rng.integers(steps, size=envs.num_envs)
    for step in range(steps):
        c.action[:] = rng.integers(actions.n, size=envs.num_envs)
        observation, reward, terminated, truncated, _ = c.step(envs)
        due = reset_at == step
        if due.any():
            observation, _ = envs.reset(options={"reset_mask": due})
        c.see(observation, reward, terminated | truncated | due)
    c.repeat = ActionRepeat.begin(envs.num_envs, c.repeat.growth)


def collect(
    envs: VectorEnv,
    agent: Agent[State],
    c: Collector[State],
    steps: int,
    decisions: int,
    terms: Sequence[LossTerm] = (),
    stop: Callable[[], bool] = lambda: False,
) -> Rollout:
    """Runs `steps` steps in each environment, fewer once each has decided `decisions` times on average, and moves the
    collector on. Episodes that end are passed to the loss terms.

    Raises:
        RolloutStopped: `stop`, asked at each step, said so. The next call goes on with this rollout.
    """
    log, record, episodes = begin_rollout(envs, agent, c, steps)
    enough = decisions * envs.num_envs
    while log.steps < steps and log.size < enough:
        if stop():
            finished = [asdict(end) for end in episodes]
            c.unfinished = {"log": log.state_dict(), "record": record.state_dict(), "episodes": finished}
            raise RolloutStopped
        decided = c.decide(agent, record)
        if decided is not None:
            log.add(*decided)
        observation, reward, terminated, truncated, info = c.step(envs)
        log.pay(reward)
        done = terminated | truncated
        if done.any():
            log.terminate(np.flatnonzero(terminated))
            cut = np.flatnonzero(truncated & ~terminated)
            if len(cut) > 0:
                log.close(cut, value_of_final(agent, c, info, reward, cut))
            ended = torch.from_numpy(np.flatnonzero(done))
            total, length, over = (torch.from_numpy(x[done]) for x in (c.returns, c.lengths, terminated))
            for term in terms:
                term.episodes_ended(c.agent_state, ended, total, length, over)
            episodes += ends_of(c, done, info)
        c.see(observation, reward, done)
    due = c.repeat.deciding()
    due = due[log.open[due] >= 0]
    if len(due) > 0:
        log.close(due, peek(agent, c.inputs(due), c.agent_state, torch.from_numpy(due)))
    rollout = log.rollout(record, episodes)
    c.pending = log.pending(rollout)
    return rollout


def begin_rollout(
    envs: VectorEnv, agent: Agent[State], c: Collector[State], steps: int
) -> tuple[DecisionLog, RolloutRecord, list[EpisodeEnd]]:
    """The log, the agent's record and the finished episodes of a rollout: empty ones, or those of the rollout that was
    stopped."""
    log = DecisionLog(envs.num_envs, steps)
    if c.unfinished is not None:
        record = agent.begin_rollout(c.agent_state.clone())
        log.load_state_dict(c.unfinished["log"])
        record.load_state_dict(c.unfinished["record"])
        episodes = [EpisodeEnd(**end) for end in c.unfinished["episodes"]]
        c.unfinished = None
        return log, record, episodes
    record = agent.begin_rollout(c.agent_state)
    if c.pending is not None and len(c.pending.env) > 0:
        log.resume(c.pending, c.observation)
        record.repeat(c.pending.env)
    return log, record, []


def peek(agent: Agent[State], inputs: Inputs, state: State, index: Tensor) -> np.ndarray:
    """Values [n] at environments `index` [n], on copies: nothing is written, the state stays as it is."""
    decision, _ = agent.act(inputs, state.take(index), torch.arange(len(index)), None)
    return decision.value.numpy()


def value_of_final(
    agent: Agent[State], c: Collector[State], info: dict[str, Any], reward: np.ndarray, cut: np.ndarray
) -> np.ndarray:
    """V(final observation, live memory) [n] of truncated episodes: the agent before its reset."""
    final = np.stack([info["final_obs"][int(b)] for b in cut])
    check_numbers("observation", final, lambda b: f"at the end of an episode of {c.lengths[b]} steps", cut)
    inputs = Inputs(
        torch.from_numpy(final),
        torch.from_numpy(c.action[cut]),
        torch.from_numpy(reward[cut].astype(np.float32)),
        torch.zeros(len(cut), dtype=torch.bool),
        torch.from_numpy(c.lengths[cut]),
        torch.from_numpy(c.returns[cut].astype(np.float32)),
    )
    return peek(agent, inputs, c.agent_state, torch.from_numpy(cut))


def ends_of(c: Collector[State], done: np.ndarray, info: dict[str, Any]) -> list[EpisodeEnd]:
    """The episodes that end where `done` [B] is True."""
    final = info.get("final_info", {})
    # Where only some environments report, the others' entries are defaults: the mask `_key` says which ones report.
    reported = {key: final.get(f"_{key}", done) for key in ("is_success", "cue") if key in final}
    ends = []
    for b in np.flatnonzero(done):
        success = bool(final["is_success"][b]) if "is_success" in reported and reported["is_success"][b] else None
        cue = final["cue"][b] if "cue" in reported and reported["cue"][b] else None
        cue = int(cue) if isinstance(cue, (int, np.integer)) else None  # others may mean anything by it
        ends.append(EpisodeEnd(float(c.returns[b]), int(c.lengths[b]), success, cue, int(b), c.steps_done))
    return ends
