"""Environments that are odd, most of them legal; importing this module registers them as Odd/NAME-v0.

Each class changes one thing of `Odd`, whose episodes have 5 steps, and which rewards action 1.
"""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

LENGTH = 5
IDS: list[str] = []


class Odd(gym.Env):
    """Observes three random numbers."""

    observation_space: spaces.Space = spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_space: spaces.Space = spaces.Discrete(2)
    length: int | None = LENGTH

    def __init_subclass__(cls, **registration: Any) -> None:
        super().__init_subclass__()
        IDS.append(f"Odd/{cls.__name__}-v0")
        gym.register(IDS[-1], cls, **registration)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        if seed is not None:
            self.space = copy.deepcopy(self.observation_space)
            self.space.seed(seed)
        self.time = 0
        return self.see(), {}

    def step(self, action: Any) -> Any:
        self.time += 1
        over = self.length is not None and self.time >= self.length
        return self.see(), self.pay(action), over, False, self.inform(over)

    def see(self) -> Any:
        return self.space.sample()

    def pay(self, action: Any) -> Any:
        return float(np.sum(action) > 0)

    def inform(self, over: bool) -> Any:
        return {}


# ---- observations: types of numbers


class Int8(Odd):
    observation_space = spaces.Box(-100, 100, (3,), np.int8)


class Float64(Odd):
    observation_space = spaces.Box(-1.0, 1.0, (3,), np.float64)


class Float16(Odd):
    observation_space = spaces.Box(-1.0, 1.0, (3,), np.float16)


class Bools(Odd):
    observation_space = spaces.Box(0, 1, (3,), np.bool_)


class Int64(Odd):
    observation_space = spaces.Box(0, 50, (3,), np.int64)


class Lists(Odd):
    def see(self) -> Any:
        return super().see().tolist()


class WiderThanDeclared(Odd):
    """float64 where its space is float32, as many are."""

    def see(self) -> Any:
        return super().see().astype(np.float64)


class ReadOnly(Odd):
    def see(self) -> Any:
        seen = np.repeat(super().see(), 2)[::2]  # not contiguous either
        seen.flags.writeable = False
        return seen


class Unbounded(Odd):
    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float32)


class Constant(Odd):
    def see(self) -> Any:
        return np.ones(3, np.float32)


class ReusedBuffer(Odd):
    buffer = np.zeros(3, np.float32)

    def see(self) -> Any:
        self.buffer[:] = super().see()
        return self.buffer


# ---- observations: spaces


class DictSpace(Odd):
    observation_space = spaces.Dict(place=spaces.Box(-1.0, 1.0, (2,)), key=spaces.Discrete(3))


class NestedDict(Odd):
    observation_space = spaces.Dict(
        body=spaces.Dict(legs=spaces.MultiBinary(4), head=spaces.Tuple([spaces.Discrete(2), spaces.Box(0, 9, (2, 2))])),
        time=spaces.Discrete(6, start=-2),
    )


class DictWithImage(Odd):
    observation_space = spaces.Dict(image=spaces.Box(0, 255, (7, 7, 3), np.uint8), mission=spaces.Text(9))


class TupleSpace(Odd):
    observation_space = spaces.Tuple([spaces.Discrete(4), spaces.MultiDiscrete([2, 3])])


class MultiBinarySpace(Odd):
    observation_space = spaces.MultiBinary([2, 3])


class MultiDiscreteSpace(Odd):
    observation_space = spaces.MultiDiscrete([[2, 3], [4, 5]])


class DiscreteFromFive(Odd):
    observation_space = spaces.Discrete(4, start=5)


class TextSpace(Odd):
    observation_space = spaces.Text(6)


class OneOfSpace(Odd):
    observation_space = spaces.OneOf([spaces.Discrete(3), spaces.Box(0.0, 1.0, (2,))])


class TwoAxes(Odd):
    observation_space = spaces.Box(-1.0, 1.0, (3, 4), np.float32)


class Board(Odd):
    observation_space = spaces.Box(0, 2, (3, 3), np.uint8)


class NoAxes(Odd):
    observation_space = spaces.Box(-1.0, 1.0, (), np.float32)


class NoNumbers(Odd):
    observation_space = spaces.Box(-1.0, 1.0, (0,), np.float32)


class TooLong(Odd):
    observation_space = spaces.Discrete(1_000_000)


class SequenceSpace(Odd):
    observation_space = spaces.Sequence(spaces.Discrete(2))


class GraphSpace(Odd):
    observation_space = spaces.Graph(spaces.Box(0.0, 1.0, (2,)), None)


# ---- observations: images


class ImageGrey(Odd):
    observation_space = spaces.Box(0, 255, (9, 9, 1), np.uint8)


class ImageGreyTwoAxes(Odd):
    observation_space = spaces.Box(0, 255, (35, 35), np.uint8)


class ImageOfSmallNumbers(Odd):
    """Looks like MiniGrid's symbols, and is not."""

    observation_space = spaces.Box(0, 10, (7, 7, 3), np.uint8)


class ImageStack(Odd):
    observation_space = spaces.Box(0, 255, (4, 14, 14), np.uint8)


class ImageAlpha(Odd):
    observation_space = spaces.Box(0, 255, (9, 11, 4), np.uint8)


class ImageOfFloats(Odd):
    observation_space = spaces.Box(0.0, 1.0, (5, 5, 3), np.float32)


class ImageOfFloatsLarge(Odd):
    observation_space = spaces.Box(0.0, 1.0, (84, 84, 3), np.float32)


# ---- how episodes end


class LimitOfRegistration(Odd, max_episode_steps=3):
    length = None


class NoEnd(Odd):
    length = None


class OneStep(Odd):
    length = 1


class BothSignals(Odd):
    def step(self, action: Any) -> Any:
        seen, reward, over, _, info = super().step(action)
        return seen, reward, over, over, info


class NumpySignals(Odd):
    def step(self, action: Any) -> Any:
        seen, reward, over, _, info = super().step(action)
        return seen, reward, np.bool_(over), np.array([0]), info


class IntegerSignals(Odd):
    def step(self, action: Any) -> Any:
        seen, reward, over, _, info = super().step(action)
        return seen, reward, int(over), 0, info


# ---- rewards


class RewardFloat32(Odd):
    def pay(self, action: Any) -> Any:
        return np.float32(action)


class RewardArray(Odd):
    def pay(self, action: Any) -> Any:
        return np.array([action])


class RewardInteger(Odd):
    def pay(self, action: Any) -> Any:
        return int(action)


class RewardBool(Odd):
    def pay(self, action: Any) -> Any:
        return np.bool_(action)


class RewardVector(Odd):
    def pay(self, action: Any) -> Any:
        return np.zeros(2)


class RewardNone(Odd):
    def pay(self, action: Any) -> Any:
        return None


# ---- info


class InfoChanges(Odd):
    def inform(self, over: bool) -> Any:
        return {"best": [None, 3.0, "x", np.zeros(self.time), {"a": [1]}][self.time % 5]}


class InfoNone(Odd):
    def inform(self, over: bool) -> Any:
        return None


class SuccessAtTheEnd(Odd):
    def inform(self, over: bool) -> Any:
        return {"is_success": np.True_, "cue": np.int8(1)} if over else {}


class SuccessAlways(Odd):
    """In every step's info; only the last one counts."""

    def inform(self, over: bool) -> Any:
        return {"is_success": int(over), "cue": "left"}


class SuccessNan(Odd):
    def inform(self, over: bool) -> Any:
        return {"is_success": float("nan")}


class SuccessText(Odd):
    def inform(self, over: bool) -> Any:
        return {"is_success": "False"}


class SuccessNone(Odd):
    def inform(self, over: bool) -> Any:
        return {"is_success": None}


class SuccessFloat(Odd):
    def inform(self, over: bool) -> Any:
        return {"is_success": np.float32(0)}


# ---- seeds


class NeedsNoSeed(Odd):
    """Nothing is random."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.time = 0
        return self.see(), {}

    def see(self) -> Any:
        return np.full(3, self.time / 5, np.float32)


class IgnoresSeed(Odd):
    def see(self) -> Any:
        return np.random.default_rng().random(3, np.float32)


class GlobalGenerator(Odd):
    """Seeds numpy's global generator, as old environments do."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        np.random.seed(seed)  # noqa: NPY002
        self.time = 0
        return self.see(), {}

    def see(self) -> Any:
        return np.random.random(3).astype(np.float32)  # noqa: NPY002


class NeedsOptions(Odd):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return super().reset(seed=seed + options["level"])


class KnowsOptions(Odd):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.level = (options or {}).get("level", 1)
        return super().reset(seed=seed)


# ---- actions


class Acting(Odd, max_episode_steps=1):  # the limit of a registration is not that of its subclasses
    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), action
        return super().step(action)

    def pay(self, action: Any) -> Any:
        return 1.0


class MultiDiscreteActions(Acting):
    action_space = spaces.MultiDiscrete([[2, 3], [1, 2]])


class MultiDiscreteFromOne(Acting):
    action_space = spaces.MultiDiscrete([2, 3], start=[1, -1])


class MultiBinaryActions(Acting):
    action_space = spaces.MultiBinary(3)


class DictActions(Acting):
    action_space = spaces.Dict(go=spaces.Discrete(3), hands=spaces.Tuple([spaces.Discrete(2), spaces.MultiBinary(1)]))


class ActionsFromFive(Acting):
    action_space = spaces.Discrete(3, start=5)


class OneAction(Acting):
    action_space = spaces.Discrete(1)


class ManyActions(Acting):
    action_space = spaces.MultiDiscrete([180, 182])


class TooManyActions(Acting):
    action_space = spaces.Discrete(100_000)


class TooManyCombinations(Acting):
    action_space = spaces.MultiBinary(64)


class ContinuousActions(Acting):
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)


# ---- what is around


class NoMetadata(Odd):
    metadata: dict[str, Any] = {}


class FailsInClose(Odd):
    def close(self) -> None:
        raise RuntimeError("already closed")


class FailsInReset(Odd):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        raise ConnectionError("no server\nat port 80")


class FailsInMaking(Odd):
    def __init__(self) -> None:
        raise FileNotFoundError(2, "No such file", "levels.json")


class FailsLater(Odd):
    steps = 0

    def step(self, action: Any) -> Any:
        self.steps += 1
        if self.steps == 14:
            raise ZeroDivisionError("division by zero")
        return super().step(action)


class OldReset(Odd):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return super().reset(seed=seed)[0]


class OlderReset(Odd):
    def reset(self) -> Any:
        self.time = 0
        return self.see()


class OldStep(Odd):
    def step(self, action: Any) -> Any:
        seen, reward, over, _, info = super().step(action)
        return seen, reward, over, info


class WrongShape(Odd):
    def see(self) -> Any:
        return np.zeros(4, np.float32)


class OutOfSpace(Odd):
    observation_space = spaces.Discrete(3)

    def see(self) -> Any:
        return -1


class TooLargeNumbers(Odd):
    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float64)

    def see(self) -> Any:
        return np.array([1e300, 0, 0])


class OtherSpaces(Odd):
    """Each one made has another space."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.observation_space = spaces.Box(0.0, 1.0, (self.made,))


class NoSpaces(Odd):
    def __init__(self) -> None:
        self.observation_space = None


def limited(length: int = 9) -> gym.Env:
    """A function that makes an environment and wraps it."""
    return TimeLimit(LimitOfRegistration(), max_episode_steps=length)


gym.register("Odd/LimitOfWrapper-v0", limited)
IDS.append("Odd/LimitOfWrapper-v0")
IDS.remove("Odd/Acting-v0")
