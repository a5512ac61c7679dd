"""The same seed gives the same parameters in any process: one after the other, two at once, with any hash seed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = "--num-envs 16 --total-timesteps 8000 --eval-every 4000 --eval-episodes 2 "
RUNS = {
    "memory": "--env Reinstate/GridTMazePassive-v0 --env-kwargs length=10 --agent memory --replay-size 128",
    "lstm": "--env Reinstate/TMazeActive-v0 --env-kwargs length=10 --agent lstm",
    "gru": "--env Reinstate/TMazeActive-v0 --env-kwargs length=10 --agent gru",
    "none": "--env CartPole-v1 --agent none",
}


def begin(flags: str, hash_seed: str) -> subprocess.Popen:
    """A process that trains, and prints the hash of what was learnt."""
    program = f"from tests.gate.same_parameters import run; print(run({SHORT + flags!r}))"
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )


def result(process: subprocess.Popen) -> str:
    printed, _ = process.communicate()
    assert process.returncode == 0
    return printed.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("agent", RUNS)
def test_processes_agree(agent):
    alone = result(begin(RUNS[agent], "0"))
    at_once = [begin(RUNS[agent], "random"), begin(RUNS[agent], "1"), begin(RUNS[agent] + " --seed 2", "0")]
    first, second, other_seed = map(result, at_once)
    assert alone == first == second != other_seed
