"""bsuite's sweeps of memory and of credit: `python benchmarks/chains/sweep.py`

Memory Chain and Umbrella Chain at bsuite's 23 lengths, one run each (bsuite has one seed, too), by bsuite's rule: an
agent has 10,000 episodes, and all of them count, those in which it still learns among them. Solved is

- Memory Chain: the share of right answers is above 0.625, a quarter of the way from chance to certainty;
- Umbrella Chain: the share of wrong umbrellas is below 0.25, half of what chance takes.

Memory Chain: default options, but 64 environments (one, as in bsuite, would be slow). Umbrella Chain: 16 environments
and more epochs, as 10,000 episodes must do; chunks and memories that hold whole episodes; and as all rewards but the
last are noise, the critic learns from whole returns and the actor from the next few steps. Up to length 30 its step
size is three times the default. Environments are not in step: all episodes are as long, and of a dozen chunks one would
hold all that counts (`--spread-steps`). So the first episode of each begins at random, with an empty memory; it counts.
The control of the Memory Chain has no memory (at length 1 none is needed); the Umbrella Chain's is an agent that acts
at random, 0.5 by construction, and it has runs in which the actor learns from whole returns, too ("one lambda").

Resumable (benchmarks/runs.py). Rows in sweep.jsonl.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from runs import Run, make_missing, markdown, read_rows, write_page

from reinstate.memory.options import MemoryOptions

HERE = Path(__file__).parent
RESULTS = HERE / "sweep.jsonl"
LENGTHS = (*range(1, 11), 12, 14, 17, 20, 25, *range(30, 101, 10))
EPISODES = 10_000
ENVS = {"MemoryChain": 64, "UmbrellaChain": 16}
UMBRELLA = (
    "--gae-lambda 0.5 --critic-lambda 1 --ent-coef 0.05 --epochs 8 "
    "--novelty-bonus 0 --imitation-coef 0 --codec-updates 1"
)
QUICK_STEP, LONGEST_QUICK = 3e-3, 30  # at 50 a critic that learns so quickly dies; 40 was not tried
SOLVED = {"MemoryChain": 0.625, "UmbrellaChain": 0.75}  # the share of right ones must be above
VARIANTS = {"default": "", "no memory": "--agent none", "one lambda": "--gae-lambda 1"}
LENGTHS_OF = {
    ("MemoryChain", "default"): LENGTHS,
    ("MemoryChain", "no memory"): (1, 10, 100),
    ("UmbrellaChain", "default"): LENGTHS,
    ("UmbrellaChain", "one lambda"): (20,),
}


@dataclass(frozen=True)
class Sweep:
    """bsuite's lengths."""

    jobs: int = 2
    """Runs made side by side, each on one core."""
    chains: tuple[Literal["MemoryChain", "UmbrellaChain"], ...] = ("MemoryChain", "UmbrellaChain")
    """Which of them."""
    longest: int = LENGTHS[-1]
    """Only lengths up to this one."""


def steps_of(chain: str, length: int) -> int:
    """Environment steps of an episode."""
    return length + 1 if chain == "MemoryChain" else length


def options_of(chain: str, length: int) -> str:
    if chain == "MemoryChain":
        return ""
    decisions, slots = max(20, length), max(MemoryOptions.slots, length)  # of whole episodes: every step is one
    quick = f"--learning-rate {QUICK_STEP}" if length <= LONGEST_QUICK else ""
    return f"--chunk-decisions {decisions} --slots {slots} {quick} {UMBRELLA}"


def runs(o: Sweep) -> list[Run]:
    found = []
    for (chain, variant), lengths in LENGTHS_OF.items():
        for length in lengths if chain in o.chains else ():
            if length <= o.longest:
                envs = ENVS[chain]
                whole = -(-EPISODES // envs) + 1  # of each environment, and one more for the spread
                budget = whole * envs * steps_of(chain, length)
                start = f"--env Reinstate/{chain}-v0 --env-kwargs length={length} --num-envs {envs}"
                rest = f"--spread-steps {steps_of(chain, length)} {options_of(chain, length)} {VARIANTS[variant]}"
                flags = f"{start} --total-timesteps {budget} --eval-every 0 {rest}"
                found.append(Run(f"{chain} {length}", variant, 1, flags))
    return found


def look_at(folder: Path) -> dict[str, Any]:
    """The share of the first 10,000 training episodes that succeeded."""
    with (folder / "monitor.csv").open() as file:
        told = [row["success"] for row in csv.DictReader(file)][:EPISODES]
    assert len(told) == EPISODES, f"{len(told)} episodes have ended, and {EPISODES} count"
    return {"right": told.count("True") / len(told)}


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: a line for each length; the share of right ones, and whether bsuite calls that solved."""
    lines = []
    for (chain, variant), lengths in LENGTHS_OF.items():
        for length in lengths:
            for r in results:
                if (r["task"], r["variant"]) == (f"{chain} {length}", variant):
                    solved = "yes" if r["right"] > SOLVED[chain] else "no"
                    last = f"{r['greedy']:.3f}"
                    lines.append(
                        [chain, variant, str(length), f"{r['right']:.3f}", solved, last, f"{r['minutes']:.1f}"]
                    )
    heads = ["chain", "variant", "length", "right of the first 10,000", "solved", "greedy, at the end", "minutes"]
    return markdown(heads, lines)


def main(o: Sweep) -> None:
    make_missing(runs(o), RESULTS, o.jobs, look_at)
    text = table(read_rows(RESULTS))
    write_page(HERE / "sweep.md", "bsuite's chains", __doc__, text)
    print(text)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(tyro.cli(Sweep))
