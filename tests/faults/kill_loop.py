"""Kills training runs at random moments, lets them go on, and compares them with a run that was never killed.

    python -m tests.faults.kill_loop --times 200

A run trains, saves and evaluates many times within some seconds. It is killed (SIGKILL) at a random moment, begun again
by the same command, and so on until it has ended; then another one begins. Each must end with the parameters,
optimisers, generators and metrics of the run that was never killed, and with the same files. Most runs are forked from
this process, which has imported everything; every tenth session is a command of its own, killed while it starts, too.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from reinstate.experiment import checkpoint
from reinstate.experiment.cli import main
from tests.experiment.runs import assert_same_runs, files_of

KINDS = {
    "memory": "--env Reinstate/GridTMazePassive-v0 --env-kwargs length=4 --replay-size 16 --replay-batch 4 --slots 8 "
    "--codec-updates 1",
    "lstm": "--env Reinstate/TMazePassive-v0 --env-kwargs length=4 --agent lstm",
    "others' environment": "--env CartPole-v1 --agent none",
}
SIZE = "--num-envs 4 --rollout-steps 16 --rollout-decisions 16 --total-timesteps 640 --eval-episodes 1 "
SIZE += "--eval-every 300 --save-every 32 --keep-checkpoints 2 --epochs 1"
OF_ITS_OWN = 10  # every so many sessions
STARTS = 4.0  # seconds that a command takes to import everything


def words_of(kind: str, run: Path) -> list[str]:
    """The command of a run."""
    return ["train", *KINDS[kind].split(), *SIZE.split(), "--run-dir", str(run)]


def forked(words: list[str]) -> int:
    """Begins a session in a copy of this process; returns its number."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(main(words))
    return child


def command(words: list[str]) -> int:
    """Begins a session as a command of its own; returns its number."""
    return subprocess.Popen([sys.executable, "-m", "reinstate", *words], stdout=subprocess.DEVNULL).pid


def session(begin: Callable[[list[str]], int], words: list[str], seconds: float) -> bool:
    """One session, killed after `seconds`; True where it ended before. Raises RuntimeError where it failed."""
    child, until = begin(words), time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            break
        time.sleep(0.001)
    else:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        return os.WIFEXITED(status)
    return True


def check_checkpoint(run: Path, before: int) -> int:
    """The step of the last checkpoint, which must load and not be earlier than `before`."""
    if not checkpoint.exists(run):
        return 0
    folder = checkpoint.find(run)
    manifest = checkpoint.read_manifest(folder)
    checkpoint.read_parts(folder, manifest, {name.partition(".")[0] for name in manifest["files"]})
    assert manifest["step"] >= before, f"{run} had a checkpoint of step {before} and now has {manifest['step']}"
    return int(manifest["step"])


def finish(words: list[str], run: Path, whole: Path) -> None:
    """Lets a run end, and compares it with the one that was never killed."""
    child = forked(words)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"{run} ended with {os.waitstatus_to_exitcode(status)}"
    assert_same_runs(run, whole)
    assert files_of(run) == files_of(whole), files_of(run) ^ files_of(whole)


def loop(times: int, seed: int, folder: Path, kinds: list[str]) -> None:
    """Kills `times` sessions, kind by kind."""
    rng = random.Random(seed)
    killed, runs, saving, steps = 0, 0, 0, list[int]()
    for number, kind in enumerate(kinds):
        whole, began = folder / f"{number} whole", time.monotonic()
        finish(words_of(kind, whole), whole, whole)
        longest = time.monotonic() - began
        until = times * (number + 1) // len(kinds)
        while killed < until:
            run, step = folder / f"{number} run {runs}", 0
            words = words_of(kind, run)
            while killed < until:
                own = killed % OF_ITS_OWN == OF_ITS_OWN - 1
                seconds = rng.uniform(0.0, 0.7 * longest + STARTS * own)
                ended = session(command if own else forked, words, seconds)
                saving += any((run / "checkpoints").glob(".*"))  # what is half written
                step = check_checkpoint(run, step)
                if ended:
                    break
                killed += 1
                steps.append(step)
            finish(words, run, whole)
            shutil.rmtree(run)
            runs += 1
            print(f"{kind}: {killed} kills, {runs} runs that were killed equal those that were not", flush=True)
    print(
        f"{killed} of {killed} killed sessions went on, in {runs} runs, from {len(set(steps))} different checkpoints "
        f"({steps.count(0)} before the first one, {saving} while one was written); no line lost or repeated, no file "
        "left over"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        loop(options.times, options.seed, Path(place), options.kinds)
