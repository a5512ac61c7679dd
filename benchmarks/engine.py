"""The engine of all benchmarks: it skips what has a row, makes what is missing, and writes the table and the figure."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, cast

import torch
import tyro

from benchmarks.evaluations import EVALUATIONS, TABLES
from benchmarks.rows import ROOT, Row, read_rows, replace_rows
from benchmarks.suite import FOLDER as SUITES
from benchmarks.suite import Suite, load, table
from benchmarks.training_runs import make_all, missing
from reinstate.envs.naming import suggest
from reinstate.experiment.bench import BenchOptions
from reinstate.experiment.errors import UserError
from reinstate.experiment.option_values import WHOLE_NUMBERS, check_ranges
from reinstate.experiment.standard_streams import guarded

MEASURES = Path(__file__).parent / "measures"
RESULTS = Path(__file__).parent / "results"


class Measure(Protocol):
    """A module of measures/. Its docstring is its page: the first line the title, then what the table says.

    A cell is measured at once: the items that its rows have in common.
    """

    __doc__: str | None

    def cells(self, known: list[Row]) -> Iterable[Row]:
        """All cells, in order; `known` are the rows so far, and grow meanwhile."""

    def rows(self, cell: Row) -> Iterator[Row]:
        """Measures a cell."""

    def table(self, rows: list[Row]) -> str:
        """Markdown."""


def names() -> dict[str, str]:
    """Every benchmark, suites first, and its title."""
    suites = {file.stem: tomllib.loads(file.read_text())["title"] for file in sorted(SUITES.glob("*.toml"))}
    measures = [file.stem for file in sorted(MEASURES.glob("[!_]*.py"))]
    return suites | {name.replace("_", "-"): title_and_text(measure(name))[0] for name in measures}


def measure(name: str) -> Measure:
    return cast(Measure, importlib.import_module(f"benchmarks.measures.{name.replace('-', '_')}"))


def title_and_text(module: Measure) -> tuple[str, str]:
    title, text = (module.__doc__ or "").split("\n", 1)
    return title.rstrip("."), text


def run(options: BenchOptions) -> None:
    """Runs the benchmark of that name, or lists all.

    Raises UserError where there is none, or none of its parts is meant.
    """
    check_ranges({"jobs": options.jobs})
    found = names()
    if options.name is None:
        print("".join(f"{name:<18}{title}\n" for name, title in found.items()), end="")
    elif options.name not in found:
        there = ", ".join(found)
        raise UserError(f"there is no benchmark {options.name!r}.{suggest(options.name, found)} There are: {there}")
    elif (SUITES / f"{options.name}.toml").is_file():
        run_suite(load(SUITES / f"{options.name}.toml"), options)
    else:
        run_measure(measure(options.name), options)


def run_suite(suite: Suite, options: BenchOptions) -> None:
    file = rows_file(options)
    runs = [r for r in suite.runs if options.only in r.label]
    check_any(options, [r.label for r in runs], [r.label for r in suite.runs])
    if options.live:
        words = shlex.split(runs[0].commands[0])[1:]
        print(f"python {shlex.join(words)}", flush=True)
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, *words])
    if not options.table:
        wanted = runs if options.again else missing(runs, file)
        make_all(wanted, file, options.jobs, [EVALUATIONS[name] for name in suite.evaluations])
    rows = read_rows(file)
    tables = [table(suite, rows), *(TABLES[name](rows, suite.runs) for name in suite.evaluations if name in TABLES)]
    write_page(options, suite.title, suite.text, "\n".join(t for t in tables if t))
    if suite.figure is not None:
        draw(suite, rows)


def run_measure(module: Measure, options: BenchOptions) -> None:
    if options.live:
        raise UserError(f"--live trains a run of a suite, and {options.name} is a measure: leave --live out")
    file = rows_file(options)
    known = read_rows(file)
    seen = []
    for cell in module.cells(known):
        seen.append(label(cell))
        has_rows = any(cell.items() <= row.items() for row in known)
        if options.only not in seen[-1] or options.table or (has_rows and not options.again):
            continue
        print(f"{seen[-1]} ...", flush=True)
        known[:] = replace_rows(file, cell, list(module.rows(cell)))
    check_any(options, [text for text in seen if options.only in text], seen)
    title, text = title_and_text(module)
    write_page(options, title, text, module.table(known))


def rows_file(options: BenchOptions) -> Path:
    return RESULTS / f"{str(options.name).replace('-', '_')}.jsonl"


def label(cell: Row) -> str:
    return ", ".join(f"{key} {value}" for key, value in cell.items())


def check_any(options: BenchOptions, chosen: list[str], labels: list[str]) -> None:
    """Raises UserError where --only leaves nothing."""
    if not chosen:
        near = suggest(options.only, [part for text in labels for part in (text.split(", ")[0], text)])
        raise UserError(f"nothing in {options.name} has {options.only!r} in its name.{near}")


def write_page(options: BenchOptions, title: str, text: str, tables: str) -> None:
    """Prints the tables, and writes them below the title, the command and the text."""
    print(tables)
    page = f"# {title}\n`reinstate bench {options.name}`\n\n{text.strip()}\n\n{tables.strip()}\n"
    rows_file(options).with_suffix(".md").write_text(page)


def draw(suite: Suite, rows: list[Row]) -> None:
    """The suite's figure, where matplotlib is installed."""
    try:
        figure = importlib.import_module(f"benchmarks.figures.{suite.figure}")
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        print(f"{suite.figure}: no figure is drawn without matplotlib: pip install -e '.[plots]'")
        return
    figure.draw(rows, suite.runs, figure.FILE)


def main(words: list[str]) -> int:
    """Runs the command; returns the exit code."""
    return guarded(lambda: command(words))


def command(words: list[str]) -> int:
    with WHOLE_NUMBERS:
        options = tyro.cli(BenchOptions, prog="reinstate bench", args=words)
    torch.set_num_threads(1)
    try:
        run(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
