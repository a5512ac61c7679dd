"""Short training runs, and a hash of all parameters that each of them learns.

A change that should not alter what is learnt must leave every hash as it is. The runs together use every way of
recalculation, every credit rule, every agent and every kind of observation.

    python tests/gate/same_parameters.py             # compare with hashes.json
    python tests/gate/same_parameters.py lstm        # those whose name contains lstm
    python tests/gate/same_parameters.py --record    # write hashes.json
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch

from reinstate.experiment.cli import main
from reinstate.experiment.trained import load_agent

HASHES = Path(__file__).with_name("hashes.json")
SMALL = "--num-envs 16 --total-timesteps 12000 --eval-every 0 --eval-episodes 2 --replay-size 128 "
PLAIN = "--num-envs 16 --total-timesteps 12000 --eval-every 0 --eval-episodes 2 "
RUNS = {
    "direct, symbols": SMALL + "--env Reinstate/GridTMazeCrowdedPassive-v0 --env-kwargs length=20 "
    "--rollout-steps 32 --rollout-decisions 16 --ent-coef 0.1 --final-ent-coef 0.02 --novelty-bonus 0 "
    "--imitation-coef 0",
    "target, symbols": SMALL + "--env Reinstate/GridTMazeActive-v0 --env-kwargs length=15 --recalculation target",
    "refresh, image": SMALL + "--env Reinstate/GridTMazePassive-v0 --env-kwargs length=10 observation=pixels "
    "--recalculation refresh",
    "oracle, synthetic returns, image": SMALL + "--env Reinstate/KeyToDoor-v0 --env-kwargs delay=20 "
    "--recalculation oracle --credit synthetic --eviction similar --slots 16 --stagger-steps 40",
    "compare, synthetic returns, image": SMALL + "--env Reinstate/VisualMatchActive-v0 --env-kwargs delay=10 "
    "--credit synthetic --compare --rollout-steps 64 --slots 24",
    "truncated, bootstrap, vector": PLAIN + "--env Reinstate/TMazePassive-v0 --env-kwargs length=20 "
    "--recalculation truncated --credit bootstrap",
    "none, vector": SMALL + "--env Reinstate/MemoryChain-v0 --env-kwargs length=8 --recalculation none",
    "direct, others' vector": SMALL + "--env CartPole-v1",
    "every step a decision": SMALL + "--env Reinstate/GridTMazePassive-v0 --env-kwargs length=10 --no-action-repeat",
    "lstm": PLAIN + "--env Reinstate/TMazeActive-v0 --env-kwargs length=10 --agent lstm",
    "memoryless": PLAIN + "--env MiniGrid-Empty-5x5-v0 --agent none",
}


def hash_of(tensors: list[torch.Tensor]) -> str:
    """A hash of all learnt parameters, the codec's among them, whatever their names and order."""
    each = sorted(
        hashlib.sha256(str(tuple(t.shape)).encode() + t.detach().contiguous().numpy().tobytes()).hexdigest()
        for t in tensors
    )
    return hashlib.sha256("".join(each).encode()).hexdigest()[:16]


def run(flags: str) -> str:
    """Trains with these flags; returns the hash of the parameters of the last checkpoint."""
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()) as printed:
        code = main(["train", *flags.split(), "--run-dir", folder + "/run"])
        if code != 0:
            raise RuntimeError(f"{flags} ended with code {code}: {printed.getvalue()}")
        return hash_of(list(load_agent(folder + "/run")[0].parameters()))


def machine() -> str:
    """What the bits depend on besides the code: the processor, and torch."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, torch {torch.__version__}"


def recorded() -> dict[str, Any]:
    return json.loads(HASHES.read_text())


if __name__ == "__main__":
    wanted = {} if "--record" in sys.argv else recorded()["hashes"]
    found = {}
    only = [word for word in sys.argv[1:] if not word.startswith("-")]  # parts of names
    for name, flags in RUNS.items():
        if only and not any(part in name for part in only):
            continue
        found[name] = run(flags)
        verdict = "" if not wanted else "same" if wanted[name] == found[name] else f"CHANGED from {wanted[name]}"
        print(f"{found[name]}  {name:36} {verdict}", flush=True)
    if not wanted:
        HASHES.write_text(json.dumps({"machine": machine(), "hashes": found}, indent=2) + "\n")
    sys.exit(any(wanted.get(name, h) != h for name, h in found.items()))
