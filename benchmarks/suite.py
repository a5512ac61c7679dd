"""Suites: which agents are trained, as data.

A suite is a TOML file. Each of its `tasks` lists its `runs`: variants and their numbers of seeds. The flags of a run
are the suite's `command`, whose placeholders are filled from fields. Fields are merged in this order, later ones win:
the suite's `[fields]`, the family that the task is `like` ([families.NAME], or [main-job] of main_job.toml), the task,
and the variant. A field's text may have placeholders for other fields that have none themselves, such as {delay:,}.

Some fields say more:

- each: lists of the same length, {length = [1, 2]}: one task for each position;
- after: the task that is learnt first; this one starts from its agent (`--start-from`);
- episodes: the budget in episodes, from num_envs and steps (of an episode): enough rounds of all environments, and one
  more, as the first episode of each may begin anew within its steps (--stagger-steps);
- alone: nothing else is trained meanwhile.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, markdown, side_by_side

FOLDER = Path(__file__).parent / "suites"
MAIN_JOB = Path(__file__).parent / "main_job.toml"
BEFORE = "runs/before"  # the folder of the run that another one starts from, in a row's command


@dataclass(frozen=True)
class Run:
    """One training run."""

    task: str
    variant: str
    seed: int
    flags: str
    first: str = ""  # flags of the run that is made before; this run starts from its agent
    fields: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def commands(self) -> list[str]:
        """The commands in their order; each gets --run-dir besides, the first one BEFORE."""
        own = f"--start-from {BEFORE} {self.flags}" if self.first else self.flags
        parts = [part for part in (self.first, own) if part]
        return [" ".join(f"python train.py {part} --seed {self.seed}".split()) for part in parts]

    @property
    def command(self) -> str:
        """All commands as one, the key of the row."""
        if not self.first:
            return self.commands[0]
        before, own = self.commands
        return f"{before} --run-dir {BEFORE} && {own}"

    @property
    def key(self) -> Row:
        """The items by which a row is found, beside its command."""
        return {"task": self.task, "variant": self.variant, "seed": self.seed}

    @property
    def label(self) -> str:
        return f"{self.task}, {self.variant}, seed {self.seed}"


@dataclass(frozen=True)
class Suite:
    """A suite, expanded into runs."""

    title: str
    text: str
    runs: list[Run]
    columns: list[dict[str, str]]
    evaluations: list[str]  # of evaluations.py, made of every finished run
    figure: str | None  # a module of figures/


def load(file: Path) -> Suite:
    data = tomllib.loads(file.read_text())
    families = tomllib.loads(MAIN_JOB.read_text()) | data.get("families", {})
    return Suite(
        data["title"],
        data["text"],
        list(expand(data, families)),
        data["columns"],
        data.get("evaluations", []),
        data.get("figure"),
    )


def expand(data: dict[str, Any], families: dict[str, Any]) -> Iterator[Run]:
    """All runs, in the order of the file."""
    flags_of: dict[tuple[str, str], str] = {}
    for task in tasks(data["tasks"]):
        base = data["fields"] | families.get(task.get("like", ""), {}) | task
        for variant, seeds in task["runs"].items():
            fields = filled(base | data["variants"][variant])
            name = fields["name"]
            flags = " ".join(data["command"].format_map(fields).split())
            flags_of[name, variant] = flags
            first = flags_of[fields["after"], variant] if "after" in fields else ""
            for seed in range(1, seeds + 1):
                yield Run(name, variant, seed, flags, first, fields)


def tasks(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """One task for each position of the lists in `each`."""
    for task in found:
        if "each" not in task:
            yield task
            continue
        for values in zip(*task["each"].values(), strict=True):
            yield task | dict(zip(task["each"], values, strict=True))


def filled(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, with the budget where it is given in episodes, and with values in place of the placeholders.

    >>> filled({"name": "Chain {length}", "length": 3, "steps": 4, "episodes": 10, "num_envs": 4})["budget"]
    64
    """
    if "episodes" in fields:
        rounds = -(-fields["episodes"] // fields["num_envs"]) + 1
        fields = fields | {"budget": rounds * fields["num_envs"] * fields["steps"]}
    return {key: value.format_map(fields) if isinstance(value, str) else value for key, value in fields.items()}


def table(suite: Suite, rows: list[Row]) -> str:
    """Markdown: a line for each task and variant, the seeds side by side."""
    lines = []
    for (task, variant), run in {(run.task, run.variant): run for run in suite.runs}.items():
        found = [row for row in rows if (row["task"], row["variant"]) == (task, variant)]
        found.sort(key=lambda row: row["seed"])
        if found:
            lines.append([task, variant, *(cell(column, found, run) for column in suite.columns)])
    heads = [column.get("head", column["key"].replace("_", " ")) for column in suite.columns]
    return markdown(["task", "variant", *heads], lines)


def cell(column: dict[str, str], rows: list[Row], run: Run) -> str:
    """The seeds' values, or, where the column names a field as the threshold `above`, yes or no."""
    if "above" in column:
        return " ".join("yes" if row[column["key"]] > run.fields[column["above"]] else "no" for row in rows)
    return side_by_side(rows, column["key"], column["format"])
