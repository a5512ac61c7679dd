"""The engine: suites and measures are found by name, resumed, selected and written down."""

import json
import os
import subprocess
import sys

import pytest

import reinstate.experiment.bench
from benchmarks import engine, evaluations, training_runs
from benchmarks.measures import probe
from benchmarks.rows import ROOT, read_rows, replace_rows
from benchmarks.suite import Run
from reinstate.experiment.bench import BenchOptions
from reinstate.experiment.cli import main
from reinstate.experiment.run_folder import read_options
from tests.benchmarks.conftest import CORRIDOR, TINY

SUITE = f"""
title = "Tiny"
text = "A crowded room, four steps away."
command = "--env-kwargs length=4 {TINY} {{flags}}"
evaluations = ["probe"]
columns = [{{ key = "greedy", format = ".3f" }}, {{ key = "probe_after", format = ".2f" }}]
fields = {{ flags = "" }}
variants = {{ direct = {{}}, "no memory" = {{ flags = "--agent none" }} }}

[[tasks]]
name = "crowded"
runs = {{ direct = 1, "no memory" = 1 }}
"""
NAMES = ["chains", "delay", "pixels", "recalculation"]
NAMES += [
    "ablations",
    "codec",
    "codec-retention",
    "comparison",
    "env-speed",
    "first-scenes",
    "memory-cost",
    "probe",
    "robustness",
    "scales",
]
NAMES += ["train-speed", "update-time"]


@pytest.fixture
def tiny(results, monkeypatch):
    (results.parent / "tiny.toml").write_text(SUITE)
    monkeypatch.setattr(probe, "EPISODES", 2000)
    return results


def test_a_suite_adds_rows_and_resumes(tiny, monkeypatch):
    engine.run(BenchOptions("tiny", jobs=1))
    rows = read_rows(tiny / "tiny.jsonl")
    assert [r["variant"] for r in rows] == ["direct", "no memory"]
    assert all(r["steps"] >= 64 and 0 <= r["greedy"] <= 1 for r in rows)
    assert 0.45 < rows[0]["probe_before"] < 0.65 and rows[1]["probe_before"] is None
    assert rows[0]["command"] == f"python train.py --env-kwargs length=4 {TINY} --seed 1"
    page = (tiny / "tiny.md").read_text()
    assert page.startswith("# Tiny\n`reinstate bench tiny`\n\nA crowded room, four steps away.\n\n| task | variant |")
    assert f"| crowded | no memory | {rows[1]['greedy']:.3f} | - |" in page
    made = []
    monkeypatch.setattr(training_runs, "make", lambda run, *_: made.append(run.label))
    engine.run(BenchOptions("tiny", jobs=1))
    assert made == [] and (tiny / "tiny.md").read_text() == page
    engine.run(BenchOptions("tiny", only="no memory", again=True))
    assert made == ["crowded, no memory, seed 1"]
    engine.run(BenchOptions("tiny", again=True, table=True))
    assert len(made) == 1


def test_a_run_that_starts_from_another_one_is_made_after_it(results):
    rows, seen = results / "rows.jsonl", []
    start = "--env Reinstate/GridTMazePassive-v0 --num-envs 2 --eval-episodes 2 --eval-every 0 --agent none"
    first = f"{start} --env-kwargs length=4 --total-timesteps 64"
    run = Run("a", "b", 3, f"{start} --env-kwargs length=9 --total-timesteps 128", first)
    training_runs.make_all([run], rows, 1, [lambda folder, run: seen.append(read_options(folder)) or {}])
    (row,) = read_rows(rows)
    assert (row["steps"], row["seed"], row["command"]) == (192, 3, run.command)
    (options,) = seen
    assert options.env_kwargs == ("length=9",) and options.start_from.endswith("run_0")


@pytest.mark.slow
def test_a_run_is_trained_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(training_runs, "EPISODES", 4)
    training_runs.make(Run("a", "b", 1, f"{CORRIDOR} {TINY}"), tmp_path / "rows.jsonl", [])
    (row,) = read_rows(tmp_path / "rows.jsonl")
    assert row["command"] == f"python train.py {CORRIDOR} {TINY} --seed 1" and 0 <= row["greedy"] <= 1


def test_what_must_be_alone_is_made_first_and_one_by_one(monkeypatch, tmp_path):
    pools, made = [], []

    class Pool(training_runs.ThreadPoolExecutor):
        def __init__(self, workers):
            pools.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(training_runs, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(training_runs, "make", lambda run, *_: made.append(run.task))
    runs = [Run("other", "", 1, ""), Run("main job", "", 1, "", fields={"alone": True})]
    training_runs.make_all(runs, tmp_path / "rows.jsonl", 3, [])
    assert pools == [1, 3] and made == ["main job", "other"]


def test_rows_take_the_place_of_those_with_the_same_key(tmp_path):
    file = tmp_path / "rows.jsonl"
    rows = [{"task": "a", "seed": seed, "command": "old"} for seed in (1, 2)]
    for row in [*rows, {**rows[0], "command": "new"}]:
        after = replace_rows(file, {"task": "a", "seed": row["seed"]}, [row])
    assert after == read_rows(file) == [{**rows[0], "command": "new"}, rows[1]]
    assert not list(tmp_path.glob("*.partial"))


class Squares:
    """Squares: of some numbers.

    A measure.
    """

    def __init__(self):
        self.measured = []

    def cells(self, known):
        yield from ({"number": n} for n in (2, 3) if all(r["square"] < 9 for r in known))

    def rows(self, cell):
        self.measured.append(cell["number"])
        yield cell | {"square": cell["number"] ** 2}

    def table(self, rows):
        return f"| {' '.join(str(r['square']) for r in rows)} |"


def test_a_measure_adds_rows_and_resumes(results, monkeypatch):
    squares = Squares()
    monkeypatch.setattr(engine, "names", lambda: {"some-squares": ""})
    monkeypatch.setattr(engine, "measure", lambda name: squares)
    engine.run(BenchOptions("some-squares", only="number 2"))
    assert squares.measured == [2]
    engine.run(BenchOptions("some-squares"))
    assert squares.measured == [2, 3]  # 3 was missing
    page = (results / "some_squares.md").read_text()
    assert page == "# Squares: of some numbers\n`reinstate bench some-squares`\n\nA measure.\n\n| 4 9 |\n"
    with pytest.raises(engine.UserError, match="leave --live out"):
        engine.run(BenchOptions("some-squares", live=True))


def test_live_trains_the_first_run_in_this_process_and_leaves_no_row(tiny, monkeypatch, capsys):
    """`make train`."""
    started = []

    def execv(path, words):
        started.append((path, words))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.chdir(tiny)
    assert engine.main(["tiny", "--only", "no memory", "--live"]) == 130
    assert os.getcwd() == str(ROOT)
    command = f"train.py --env-kwargs length=4 {TINY} --agent none --seed 1"
    assert started == [(sys.executable, [sys.executable, *command.split()])]
    assert capsys.readouterr().out == f"python {command}\n" and not list(tiny.iterdir())


def test_all_benchmarks_are_listed_and_have_a_line_in_the_documentation(capsys):
    assert list(engine.names()) == NAMES
    assert engine.main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == NAMES
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    assert all(f"`reinstate bench {name}`" in page for name in NAMES)


def test_a_near_miss_gets_a_suggestion(capsys):
    assert engine.main(["memory_cost"]) == 2
    assert "Did you mean 'memory-cost'? There are: chains, delay" in capsys.readouterr().err
    assert engine.main(["delay", "--only", "KeyToDor 90", "--table"]) == 2
    assert "nothing in delay has 'KeyToDor 90' in its name. Did you mean 'KeyToDoor 90'?" in capsys.readouterr().err


def test_reinstate_bench_runs_it_in_the_checkout(monkeypatch, tmp_path, capsys):
    run = []

    def fake(words, cwd):
        run.append((words, cwd))
        return subprocess.CompletedProcess(words, 3)

    monkeypatch.setattr(reinstate.experiment.bench.subprocess, "run", fake)
    assert main(["bench", "memory-cost", "--only", "a b"]) == 3
    assert run == [([sys.executable, "-m", "benchmarks", "memory-cost", "--only", "a b"], ROOT)]
    monkeypatch.setattr(reinstate.experiment.bench, "ROOT", tmp_path)
    assert main(["bench", "memory-cost"]) == 2
    assert "checkout" in capsys.readouterr().err


def test_a_figure_needs_matplotlib(tiny, monkeypatch, capsys):
    def refuse(name):
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(engine.importlib, "import_module", refuse)
    (tiny.parent / "tiny.toml").write_text(SUITE.replace('evaluations = ["probe"]', 'figure = "learning_curves"'))
    missing = "matplotlib"
    monkeypatch.setattr(engine, "names", lambda: {"tiny": ""})
    engine.run(BenchOptions("tiny", table=True))
    assert "pip install" in capsys.readouterr().out
    missing = "numpy"
    with pytest.raises(ModuleNotFoundError):
        engine.run(BenchOptions("tiny", table=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_table_is_that_of_the_committed_rows(name, results, monkeypatch, capsys):
    committed = ROOT / "benchmarks" / "results"
    stem = name.replace("-", "_")
    if not (committed / f"{stem}.jsonl").exists():
        assert not (committed / f"{stem}.md").exists()
        return
    monkeypatch.setattr(engine, "SUITES", ROOT / "benchmarks" / "suites")
    monkeypatch.setattr(engine, "draw", lambda *_: None)
    (results / f"{stem}.jsonl").write_text((committed / f"{stem}.jsonl").read_text())
    engine.run(BenchOptions(name, table=True))
    assert (results / f"{stem}.md").read_text() == (committed / f"{stem}.md").read_text()
    assert all(json.dumps(row) for row in read_rows(results / f"{stem}.jsonl"))


def test_every_evaluation_that_a_suite_names_is_there():
    for file in (ROOT / "benchmarks" / "suites").glob("*.toml"):
        assert set(engine.load(file).evaluations) <= set(evaluations.EVALUATIONS)
