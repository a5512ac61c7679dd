"""Rows of results, the tables made from them, and measurements in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reinstate.experiment import files

ROOT = Path(__file__).parents[1]
Row = dict[str, Any]


def read_rows(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def replace_rows(file: Path, key: Row, rows: Iterable[Row]) -> list[Row]:
    """Writes `rows` in place of those that have all items of `key`, or at the end; returns all rows of the file.

    The file is written whole or not at all.
    """
    before = read_rows(file)
    matching = [key.items() <= row.items() for row in before]
    place = matching.index(True) if any(matching) else len(before)
    kept = [None if match else row for row, match in zip(before, matching, strict=True)]
    after = [row for row in [*kept[:place], *rows, *kept[place:]] if row is not None]
    files.replace(file, "".join(json.dumps(row) + "\n" for row in after).encode())
    return after


def markdown(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    head = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return "\n".join([*head, *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"


def side_by_side(rows: Iterable[Row], key: str, form: str) -> str:
    """The values of all seeds in one cell."""
    return " ".join("-" if row[key] is None else format(row[key], form) for row in rows)


def seed_columns(rows: Sequence[Row], keys: Sequence[str], value: str, form: str) -> str:
    """Markdown: a line for each combination of `keys`, a column for each seed; "-" where the value is None."""
    seeds = sorted({row["seed"] for row in rows})
    found = {(*(row[key] for key in keys), row["seed"]): row[value] for row in rows}
    lines = []
    for line in dict.fromkeys(tuple(row[key] for key in keys) for row in rows):
        values = [found.get((*line, seed)) for seed in seeds]
        lines.append([*map(str, line), *("-" if v is None else format(v, form) for v in values)])
    return markdown([*(key.replace("_", " ") for key in keys), *(f"seed {seed}" for seed in seeds)], lines)


def in_a_process(module: str, argument: Row) -> Row:
    """Runs a module of this package in a new process with `argument` as JSON; returns the JSON of its last line."""
    words = [sys.executable, "-m", module, json.dumps(argument)]
    done = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row
