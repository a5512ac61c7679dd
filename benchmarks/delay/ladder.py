"""Success against delay: `python benchmarks/delay/ladder.py`.

Trains the defaults, but for what a rung names, on longer and longer delays, 3 seeds each (5 where the rung says so),
until a greedy evaluation of 200 episodes succeeds 98 times of 100, or until the budget of steps is spent; the controls
that a rung names get the same budget. A rung "after" another one starts from its agents. Then policies are played on
lengths that they have never seen. Resumable (benchmarks/runs.py). Rows in results.jsonl, the table in results.md;
delay_plot.py draws the figure.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from runs import COST, Run, make_missing, markdown, read_rows, side_by_side

from reinstate.experiment.evaluation import evaluate
from reinstate.experiment.trained import load_agent

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
STOP = "--stop-at-success 0.98 --eval-every 0"


@dataclass(frozen=True)
class Rung:
    """One task at one delay."""

    env: str
    delay: int | None  # None where the environment's name says it
    keyword: str  # what the environment calls its delay
    budget: int  # environment steps
    seeds: int = 3
    controls: tuple[str, ...] = ()  # of CONTROLS
    options: str = ""  # that this task needs beside the defaults
    memory_options: str = ""  # the same, of the memory: what the controls without one are not told
    kind: str = ""  # one of KINDS
    after: Rung | None = None  # learnt first, and its agent started from; the row's cost is both

    @property
    def task(self) -> str:
        delay = "" if self.delay is None else f"{self.delay:,}"
        after = "" if self.after is None else f"after {self.after.delay:,}"
        return " ".join(part for part in (self.env, self.kind, delay, after) if part)

    @property
    def env_id(self) -> str:
        return f"{self.env}-v0" if self.env.startswith("MiniGrid-") else f"Reinstate/{self.env}-v0"

    @property
    def env_kwargs(self) -> tuple[str, ...]:
        delay = () if self.delay is None else (f"{self.keyword}={self.delay}",)
        return (*delay, *(KINDS[self.kind].split() if self.kind else []))

    def flags(self, variant: str) -> str:
        kwargs = f"--env-kwargs {' '.join(self.env_kwargs)}" if self.env_kwargs else ""
        memory = "" if variant in MEMORYLESS else self.memory_options
        control = "" if variant == "default" else CONTROLS[variant]
        own = f"--total-timesteps {self.budget} {STOP} {self.options} {memory} {control}"
        return " ".join(f"--env {self.env_id} {kwargs} {own}".split())


MEMORYLESS = ("no memory", "lstm")
CONTROLS = {
    "recalculation none": "--recalculation none",
    "oracle": "--recalculation oracle",
    "credit episodic": "--credit episodic",
    "no comparison": "--no-compare",
    "no memory": "--agent none",
    "lstm": "--agent lstm --chunk-decisions 128",  # it decides at every step: backpropagation crosses the delay of 100
}
KINDS = {
    "in pixels": "observation=pixels",
    "ni2023": "preset=ni2023",
    "yoked": "yoked=true",
    "priced": "key_reward=-1",
    "yoked and priced": "yoked=true key_reward=-1",
    "without apples": "apple_reward=0",
    "yoked and without apples": "yoked=true apple_reward=0",
}
WORTHLESS = tuple(k for k in KINDS if k.startswith("yoked"))  # kinds in which a key is worth nothing: not in the figure


def three_phases(
    env: str, delay: int, budget: int, options: str = "", kind: str = "", controls: tuple[str, ...] = ()
) -> Rung:
    """Every step of these tasks is a decision and nearly every one a slot: slots for 90 steps, and beyond that those
    that tell nothing new make room. The last phase must not drown in the apples: a horizon of about 18 steps, and its
    reward paid where it is explained (synthetic returns). Episodes are all as long, about delay + 30 steps, so they
    are spread."""
    memory = "--slots 128 --eviction similar --replayed-episodes 16"
    memory = f"{memory} --credit synthetic --novelty-bonus 0 --imitation-coef 0"
    own = f"--horizon {18 / (delay + 30):.3f} --spread-steps {delay + 30} {options}".strip()
    return Rung(env, delay, "delay", budget, controls=controls, options=own, memory_options=memory, kind=kind)


def compared(
    env: str,
    delay: int,
    budget: int,
    memory_options: str,
    options: str = "--ent-coef 0.1",
    controls: tuple[str, ...] = ("oracle", "no memory"),
    after: Rung | None = None,
) -> Rung:
    """What is seen has to be compared with what is remembered, by many events at a time."""
    own = f"--horizon {18 / (delay + 30):.3f} --spread-steps {delay + 30} {options} --chunk-decisions 16"
    memory = f"--slots 40 {memory_options} --novelty-bonus 0 --imitation-coef 0 --compare"
    return Rung(env, delay, "delay", budget, controls=controls, options=own, memory_options=memory, after=after)


# The first room is 15 steps of 120, or of more. With less entropy, or with fewer of its decisions in a chunk, keys are
# given up before it is known what they are for.
SMALL_FIRST_ROOM = "--ent-coef 0.1 --chunk-decisions 16"
SMALLER_FIRST_ROOM = "--ent-coef 0.1 --chunk-decisions 32"
# Where to look, and to compare: learnt at a delay of 5, then taken on to 90.
ACTIVE_MATCH = compared("VisualMatchActive", 5, 8_000_000, "--replayed-episodes 256")
WITHOUT = ("recalculation none", "no memory")
ALL = (*WITHOUT, "oracle", "lstm")
RUNGS = [
    Rung("GridTMazePassive", 100, "length", 3_000_000, controls=ALL),
    Rung("GridTMazePassive", 1_000, "length", 10_000_000, seeds=5),
    Rung(  # nothing is to be looked for; fewer environments learn from fewer episodes at a time, and sooner
        "GridTMazePassive",
        10_000,
        "length",
        60_000_000,
        controls=("no memory",),
        options="--num-envs 64",
        memory_options="--novelty-bonus 0",
    ),
    Rung("GridTMazeActive", 100, "length", 5_000_000, controls=ALL),
    Rung("GridTMazeActive", 1_000, "length", 30_000_000),
    Rung("TMazePassive", 1_500, "length", 60_000_000, controls=WITHOUT),
    # With less entropy one seed of three never finds the pace: whoever loses a step cannot make it good.
    Rung("TMazeActive", 500, "length", 60_000_000, controls=WITHOUT, options="--ent-coef 0.1"),
    Rung("TMazeActive", 1_000, "length", 60_000_000, options="--ent-coef 0.1"),
    three_phases("KeyToDoor", 90, 3_000_000, SMALL_FIRST_ROOM, controls=("credit episodic", "no memory")),
    # Is it credit? The same without apples, which teach to go up to what has a colour; or the door opens to who took
    # the key in the episode before (success: the key was taken), so that it is worth nothing; or the key has a price.
    *(
        three_phases("KeyToDoor", 90, 3_000_000, SMALL_FIRST_ROOM, kind, controls)
        for kind, controls in (
            ("without apples", ("credit episodic", "no memory")),
            ("yoked and without apples", ("no memory",)),
            ("yoked", ("no memory",)),
            ("priced", ("credit episodic", "no memory")),
            ("yoked and priced", ("no memory",)),
        )
    ),
    three_phases("KeyToDoor", 500, 10_000_000, SMALL_FIRST_ROOM, "without apples", ("no memory",)),
    three_phases("KeyToDoor", 500, 3_000_000, SMALL_FIRST_ROOM, kind="ni2023", controls=("no memory",)),
    three_phases("KeyToDoor", 1_000, 5_000_000, SMALLER_FIRST_ROOM, kind="ni2023", controls=("no memory",)),
    compared(
        "VisualMatchPassive",
        5,
        3_000_000,
        "--replayed-episodes 256",
        controls=("oracle", "no comparison", "no memory"),
    ),
    ACTIVE_MATCH,
    compared("VisualMatchActive", 90, 7_000_000, "--eviction similar --credit synthetic"),
    compared(
        "VisualMatchActive",
        90,
        4_000_000,
        "--eviction similar --credit synthetic",
        "--ent-coef 0.05 --learning-rate 5e-4",
        controls=("no memory",),
        after=ACTIVE_MATCH,
    ),
    # Ten corridors, in which views return: the last 32 steps hold the newest cue alone. Until the cue is used, turning
    # is worth no more than standing at the junction: a horizon of about 12 steps, half a corridor, lets turning go on.
    Rung(
        "GridTMazeEndless",
        20,
        "length",
        4_000_000,
        controls=("no memory",),
        options="--horizon 0.05 --num-envs 64",
        memory_options="--write-rule always --novelty-bonus 0",
    ),
    Rung("MiniGrid-MemoryS13", None, "", 10_000_000, controls=WITHOUT),
]
ZERO_SHOT = {  # how many episodes of which lengths the policies trained there are played on
    "GridTMazePassive 1,000": (20, (100_000, 1_000_000)),
    "KeyToDoor without apples 500": (200, (1_000, 5_000)),
    "VisualMatchActive 90 after 5": (500, (500, 1_000, 5_000)),
}
ZERO_SHOT_SEEDS, ZERO_SHOT_SEED = 3, 2**31 + 1
Task = Literal[*(rung.task for rung in RUNGS)]
COLUMNS = [("greedy", ".3f"), ("sampled", ".3f"), ("greedy_return", ".2f"), *COST]


@dataclass(frozen=True)
class Ladder:
    """The ladder of delays."""

    jobs: int = 2
    """Runs made side by side, each on one core."""
    tasks: tuple[Task, ...] = tuple(rung.task for rung in RUNGS)
    """Which of the rungs."""


def runs(rung: Rung) -> Iterator[Run]:
    for variant in ("default", *rung.controls):
        first = "" if rung.after is None else rung.after.flags(variant)
        for seed in range(1, (rung.seeds if variant == "default" else 3) + 1):
            yield Run(rung.task, variant, seed, rung.flags(variant), first)


def look_at(folder: Path) -> dict[str, Any]:
    """Success on lengths far beyond the trained one: {length: {episodes, greedy, by_cue}}."""
    agent, options, _ = load_agent(folder)
    here = (options.env, options.env_kwargs, options.start_from is None)
    rung = next(r for r in RUNGS if (r.env_id, r.env_kwargs, r.after is None) == here)
    if options.agent != "memory" or rung.task not in ZERO_SHOT or options.seed > ZERO_SHOT_SEEDS:
        return {}
    found = {}
    episodes, lengths = ZERO_SHOT[rung.task]
    for length in lengths:
        longer = options.with_env_kwargs((f"{rung.keyword}={length}",))
        result = evaluate(agent, longer, episodes, ZERO_SHOT_SEED, greedy=True)
        told = {"greedy": result["success_rate"], "by_cue": result["success_by_cue"]}
        found[str(length)] = {"episodes": episodes, **told}
    return {"zero_shot": found}


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: a line for each rung and variant, the seeds side by side; then what was played without training."""
    lines, played = [], []
    for rung in RUNGS:
        for variant in ("default", *CONTROLS):
            found = [r for r in results if (r["task"], r["variant"]) == (rung.task, variant)]
            found.sort(key=lambda r: r["seed"])
            if found:
                lines.append([rung.task, variant, *(side_by_side(found, key, form) for key, form in COLUMNS)])
            for r in found if variant == "default" else ():
                for length, z in r.get("zero_shot", {}).items():
                    cues = " ".join(f"{rate:.2f}" for rate in z["by_cue"].values())
                    count = str(z["episodes"])
                    played.append([rung.task, str(r["seed"]), f"{int(length):,}", count, f"{z['greedy']:.3f}", cues])
    heads = ["task", "variant", *(key.replace("_", " ") for key, _ in COLUMNS)]
    text = markdown(heads, lines)
    if played:
        text += "\nPlayed without further training, greedy:\n\n"
        text += markdown(["trained on", "seed", "length", "episodes", "success", "for each cue"], played)
    return text


def main(ladder: Ladder) -> None:
    wanted = [r for r in RUNGS if r.task in ladder.tasks]
    make_missing([run for rung in wanted for run in runs(rung)], RESULTS, ladder.jobs, look_at)
    (HERE / "results.md").write_text(table(read_rows(RESULTS)))
    print(table(read_rows(RESULTS)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(tyro.cli(Ladder))
