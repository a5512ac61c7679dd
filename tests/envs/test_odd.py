"""Odd environments (`odd.py`): each trains, evaluates and goes on from a saved state, or is refused in one sentence."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from reinstate.agents.options import LearningOptions
from reinstate.envs.adapt import make_vector
from reinstate.envs.others import OthersVector
from reinstate.experiment.build import untrained
from reinstate.experiment.cli import main
from reinstate.experiment.options import RunOptions
from reinstate.experiment.trainer import Trainer
from reinstate.memory.options import MemoryOptions
from tests.envs import odd
from tests.envs.odd import IDS, LENGTH

REFUSED = {  # what the sentence says
    "NoNumbers": "observations of 0 numbers",
    "TooLong": "observations of 1,000,000 numbers, and from 1 to 4,096 are supported",
    "SequenceSpace": "only spaces are supported that gymnasium can flatten",
    "GraphSpace": "only spaces are supported that gymnasium can flatten",
    "ImageOfFloatsLarge": "observations of 21,168 numbers.*or an image (uint8",
    "RewardVector": "step 1 of its episode: reward must be one number (.*odd.py:",
    "RewardNone": "reward must be one number (.*odd.py:",
    "NeedsOptions": "failed in reset: TypeError: .*not subscriptable (.*odd.py:",
    "TooManyActions": "100,000 actions, and at most 32,767",
    "TooManyCombinations": "more than 10^12 combinations of actions",
    "ContinuousActions": "DiscretizeAction",
    "FailsInReset": "failed in reset: ConnectionError: no server at port 80 (.*odd.py:",
    "FailsInMaking": "cannot be made: FileNotFoundError: .*No such file: 'levels.json' (.*odd.py:",
    "OldReset": "failed in reset: reset must return observation and info (.*odd.py:",
    "OlderReset": "failed in reset: TypeError: .*unexpected keyword argument 'seed'",
    "OldStep": "step must return observation, reward, terminated, truncated and info (.*odd.py:",
    "WrongShape": "its observation has the shape (4,), and its space (3,) (.*odd.py:",
    "OutOfSpace": "its observation -1 is not in Discrete(3)",
    "TooLargeNumbers": "numbers that 32-bit floats cannot hold",
    "OtherSpaces": "spaces differ",
    "NoSpaces": "has no observation space",
}
FAILS_LATER = {"FailsLater": "failed in step 4 of its episode: ZeroDivisionError: division by zero (.*odd.py:"}
LENGTHS = {"LimitOfRegistration": 3, "LimitOfWrapper": 9, "OneStep": 1}
SUCCESS = {"SuccessAtTheEnd": 1.0, "SuccessAlways": 1.0, "SuccessFloat": 0.0}
WITHOUT_END = ("NoEnd",)
NOT_REPLAYED = ("IgnoresSeed", "GlobalGenerator")  # one generator for three environments is not replayed either
NAMES = [env_id.removeprefix("Odd/").removesuffix("-v0") for env_id in IDS]
LEGAL = [name for name in NAMES if name not in REFUSED | FAILS_LATER]
TINY = "--num-envs 4 --eval-episodes 2 --rollout-steps 12 --rollout-decisions 12 --total-timesteps 64 --eval-every 0"
MEMORY = "--codec-updates 2 --replay-size 16 --replay-batch 4"


QUIET = pytest.mark.filterwarnings(
    "ignore:Odd/DictWithImage:UserWarning", "ignore:Odd/FailsInClose:UserWarning", "ignore:.*render_modes:UserWarning"
)


def command(name: str, folder: Path) -> list[str]:
    """Trains; with a memory where observations or actions are odd, else without, which is faster."""
    is_form = vars(getattr(odd, name, odd.Odd)).keys() & {"observation_space", "action_space"}
    agent = MEMORY if is_form else "--agent none"
    cut = "--eval-max-steps 5" if name in WITHOUT_END else ""
    return f"train --env Odd/{name}-v0 --run-dir {folder} {TINY} {agent} {cut}".split()


def says(error: str, words: str) -> bool:
    """Whether a sentence says `words`, in which only .* is not itself."""
    return re.search(".*".join(map(re.escape, words.split(".*"))), error) is not None


def test_there_are_enough_of_them() -> None:
    assert len(LEGAL) >= 50 and len(set(NAMES)) == len(NAMES)
    assert set(REFUSED) | set(FAILS_LATER) | set(LENGTHS) | set(SUCCESS) | set(WITHOUT_END) <= set(NAMES)


@QUIET
@pytest.mark.parametrize("name", LEGAL)
def test_it_trains_and_evaluates(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(name, tmp_path / "run")) == 0, capsys.readouterr().err
    final = json.loads((tmp_path / "run" / "eval" / "final.json").read_text())
    for kind in ("greedy", "sampled"):
        assert final[kind]["mean_ep_length"] == LENGTHS.get(name, LENGTH)
        assert final[kind]["success_rate"] == SUCCESS.get(name)
        assert final[kind]["success_by_cue"] == ({"1": 1.0} if name == "SuccessAtTheEnd" else {})


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_sentence(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(name, tmp_path / "run")) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: Odd/{name}-v0 ") and error.count("\n") == 1 and says(error, REFUSED[name]), error
    assert name == "OtherSpaces" or not (tmp_path / "run").exists(), "of those, the first one is as it should be"


@pytest.mark.parametrize("name", FAILS_LATER)
def test_it_fails_in_one_sentence(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(name, tmp_path / "run")) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: Odd/{name}-v0 ") and error.count("\n") == 1 and says(error, FAILS_LATER[name])
    assert main(["evaluate", str(tmp_path / "run"), "--episodes", "2"]) == 0, "what was learnt is saved"


@QUIET
@pytest.mark.parametrize("name", LEGAL)
def test_its_environments_go_on_from_a_saved_state(name: str) -> None:
    """In the middle of episodes; bit for bit where they obey their seeds."""
    first, second = (make_vector(f"Odd/{name}-v0", 3) for _ in range(2))
    assert isinstance(first, OthersVector) and isinstance(second, OthersVector)
    rng = np.random.default_rng(0)
    first.reset(seed=[0, 2, 4])
    for _ in range(13):
        first.step(rng.integers(first.single_action_space.n, size=3))
    changed = second.load_state_dict(first.state_dict())
    assert (changed != []) == (name in NOT_REPLAYED)
    if not changed:
        actions = rng.integers(first.single_action_space.n, size=(20, 3))
        played = [repr([envs.step(some) for some in actions]) for envs in (first, second)]
        assert played[0] == played[1]
    first.close()
    second.close()


@pytest.mark.parametrize("name", ["NestedDict", "ImageGrey", "NoEnd", "InfoChanges", "SuccessAtTheEnd", "DictActions"])
def test_training_goes_on_from_a_saved_state(name: str) -> None:
    """Bit for bit, in the middle of episodes."""

    def trainer() -> Trainer:
        options = RunOptions(
            env=f"Odd/{name}-v0",
            num_envs=3,
            total_timesteps=10_000,
            learning=LearningOptions(rollout_steps=8, rollout_decisions=8, replay_size=16, replay_batch=4),
            memory=MemoryOptions(codec_updates=2),
        )
        return Trainer(options, untrained(options))

    first, second = trainer(), trainer()
    assert isinstance(first.envs, OthersVector) and isinstance(second.envs, OthersVector)
    for _ in range(2):
        first.step()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert second.envs.load_state_dict(copy.deepcopy(first.envs.state_dict())) == []
    assert repr([first.step() for _ in range(2)]) == repr([second.step() for _ in range(2)])
    assert all(map(torch.equal, first.agent.parameters(), second.agent.parameters()))
    for each in (first, second):
        each.envs.close()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["TupleSpace", "InfoChanges", "IgnoresSeed", "NoEnd", "OneStep", "MultiBinaryActions"])
def test_its_run_is_resumed(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(name, tmp_path / "run")) == 0
    assert main(["train", "--resume", str(tmp_path / "run"), "--total-timesteps", "112"]) == 0, capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "eval" / "final.json").read_text())["step"] == 112
