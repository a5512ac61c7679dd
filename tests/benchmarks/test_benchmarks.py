"""The benchmark scripts run, on tasks so small that their figures mean nothing."""

import dataclasses
import json
import re
import shlex
from pathlib import Path

import delay_plot
import env_speed
import first_scenes
import ladder
import learn
import plot
import probe
import pytest
import run as grid
import runs
import torch
import train_speed
import tyro

from reinstate.experiment.option_checks import check
from reinstate.experiment.options import RunOptions
from reinstate.experiment.run_folder import read_options
from reinstate.memory.options import MemoryOptions

TINY = "--env-kwargs length=4 --total-timesteps 64 --num-envs 2 --eval-episodes 2 --chunk-steps 16"


def test_a_linear_probe_scores_on_episodes_that_it_was_not_fitted_on():
    g = torch.Generator().manual_seed(0)
    x, label = torch.randn(2000, 16, generator=g), torch.randint(0, 2, (2000,), generator=g)
    assert probe.linear_probe(x, label) == pytest.approx(0.5, abs=0.06)
    x[:, 3] += 6.0 * label
    assert probe.linear_probe(x, label) > 0.98


def test_first_views_show_the_cue(capsys):
    probe.main(probe.Probes(widths=(8,), seeds=1))
    assert "| crowded | 8 |" in capsys.readouterr().out
    for width in probe.Probes.widths:  # fits a slot
        probe.untrained(RunOptions(memory=MemoryOptions(embedding_width=width)))
    first_scenes.main(first_scenes.Scenes(stds=(0.01,), seeds=1, scenes=360))
    assert "| 0.01 | - |" in capsys.readouterr().out  # 360 scenes do not suffice


def test_the_grid_of_runs_adds_rows_and_resumes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(grid, "HERE", tmp_path)
    monkeypatch.setattr(grid, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr(grid, "TASKS", {"crowded": TINY})
    monkeypatch.setattr(grid, "VARIANTS", {"direct": "", "no memory": "--agent none"})
    monkeypatch.setattr(grid, "SEEDS", {("crowded", "direct"): 1, ("crowded", "no memory"): 1})
    monkeypatch.setattr(runs, "EPISODES", 20)
    grid.main(grid.Grid(jobs=1, tasks=("crowded",)))
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [r["variant"] for r in rows] == ["direct", "no memory"]
    assert all(r["steps"] >= 64 and 0 <= r["greedy"] <= 1 for r in rows)
    assert 0.45 < rows[0]["probe_before"] < 0.65 and rows[1]["probe_before"] is None
    assert rows[0]["command"] == f"python train.py {TINY} --seed 1"
    assert "| crowded | no memory |" in (tmp_path / "results.md").read_text()
    capsys.readouterr()
    monkeypatch.setattr(runs, "make", lambda *arguments: pytest.fail("made a run whose row stands"))
    grid.main(grid.Grid(jobs=1, tasks=("crowded",)))


def test_the_main_job_is_the_tables_direct_row():
    """`make train` names the same options."""
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    (options,) = re.findall(r"^CROWDED := ((?:.*\\\n)*.*)", makefile, re.MULTILINE)
    assert options.replace("\\\n", " ").split() == [*grid.OPTIONS.split(), *grid.MEMORY_OPTIONS.split()]
    (job,) = re.findall(r"train\.py \$\(CROWDED\) (.*)", makefile)
    row = next(run for run in grid.runs("crowded") if (run.task, run.variant) == grid.MAIN)
    assert row.flags.split() == [*grid.OPTIONS.split(), *grid.MEMORY_OPTIONS.split(), *job.split()]


def test_every_run_of_the_grids_is_a_command_that_trains():
    every = [r for task in grid.TASKS for r in grid.runs(task)]
    every += [r for rung in ladder.RUNGS for r in ladder.runs(rung)]
    every += [r for rung in learn.RUNGS for r in learn.runs(rung)]
    assert len(every) > 70
    for command in (c for run in every for c in run.commands):
        check(tyro.cli(RunOptions, args=shlex.split(command)[2:], config=(tyro.conf.OmitArgPrefixes,)))


TINY_FIRST = " --env-kwargs length=4 --total-timesteps 64"


def parsed(flags):
    return tyro.cli(RunOptions, args=shlex.split(flags), config=(tyro.conf.OmitArgPrefixes,))


def test_the_runs_of_a_rung():
    """Its own, then the controls that it names; what it is called is what its environment is told."""
    named = {
        "controls": ("no memory", "oracle", "credit episodic"),
        "kind": "ni2023",
        "options": "--num-envs 2",
        "memory_options": "--credit synthetic",
    }
    rung = ladder.Rung("KeyToDoor", 500, "delay", 64, 1, **named)
    own, *controls = ladder.runs(rung)
    assert own.task == "KeyToDoor ni2023 500"
    start = f"--env Reinstate/KeyToDoor-v0 --env-kwargs delay=500 preset=ni2023 --total-timesteps 64 {ladder.STOP}"
    assert own.flags == f"{start} --num-envs 2 --credit synthetic"
    assert [c.variant for c in controls] == ["no memory"] * 3 + ["oracle"] * 3 + ["credit episodic"] * 3
    assert [c.seed for c in controls] == [1, 2, 3] * 3
    assert controls[0].flags == f"{start} --num-envs 2 --agent none"
    assert controls[3].flags == f"{own.flags} --recalculation oracle"
    assert controls[6].flags == f"{own.flags} --credit episodic"
    last = parsed(controls[6].flags)
    assert last.learning.credit == "episodic"  # what is said last holds


def test_a_control_takes_back_what_the_rung_names():
    rung = ladder.Rung("VisualMatchPassive", 5, "delay", 64, memory_options="--compare", controls=("no comparison",))
    assert parsed(rung.flags("default")).memory.compare
    assert not parsed(rung.flags("no comparison")).memory.compare


def test_a_rung_that_starts_from_another_one():
    """Its controls start from the same control there, and its row has the commands and the cost of both."""
    short = ladder.Rung("VisualMatchActive", 5, "delay", 64, memory_options="--compare")
    long = ladder.Rung("VisualMatchActive", 90, "delay", 64, 1, ("no memory",), after=short)
    own, control, *_ = ladder.runs(long)
    assert own.task == "VisualMatchActive 90 after 5"
    assert own.command == (
        f"python train.py {short.flags('default')} --seed 1 --run-dir runs/before"
        f" && python train.py --start-from runs/before {long.flags('default')} --seed 1"
    )
    assert control.commands[0].endswith("--agent none --seed 1") and "--compare" not in control.command


def test_a_run_that_starts_from_another_one_is_made_after_it(tmp_path):
    rows, seen = tmp_path / "rows.jsonl", []
    start = "--env Reinstate/GridTMazePassive-v0 --num-envs 2 --eval-episodes 2 --eval-every 0 --agent none"
    run = runs.Run("a", "b", 3, f"{start} --env-kwargs length=9 --total-timesteps 128", first=start + TINY_FIRST)
    runs.make_missing([run], rows, 1, lambda folder: seen.append(read_options(folder)) or {})
    (row,) = runs.read_rows(rows)
    assert (row["steps"], row["seed"], row["command"]) == (192, 3, run.command)
    (options,) = seen
    assert options.env_kwargs == ("length=9",) and options.start_from.endswith("run_0")


@pytest.mark.parametrize(("start_from", "played"), [(None, []), ("runs/before", ["delay=9"])])
def test_what_is_played_on_is_the_run_that_started_from_another_one(tmp_path, monkeypatch, start_from, played):
    """Both have the same environment."""
    short, alone = (ladder.Rung("VisualMatchActive", delay, "delay", 64) for delay in (2, 4))
    monkeypatch.setattr(ladder, "RUNGS", [short, alone, dataclasses.replace(alone, after=short)])
    monkeypatch.setattr(ladder, "ZERO_SHOT", {"VisualMatchActive 4 after 2": (20, (9,))})
    options = RunOptions(env=alone.env_id, env_kwargs=alone.env_kwargs, start_from=start_from)
    monkeypatch.setattr(ladder, "load_agent", lambda folder: (None, options, 0))
    told = []

    def evaluated(agent, options, episodes, seed, greedy):
        told.extend(options.env_kwargs)
        return {"success_rate": 0.5, "success_by_cue": {}}

    monkeypatch.setattr(ladder, "evaluate", evaluated)
    found = ladder.look_at(tmp_path)
    assert told == played
    assert found == ({"zero_shot": {"9": {"episodes": 20, "greedy": 0.5, "by_cue": {}}}} if played else {})


def test_a_rung_of_anothers_environment():
    rung = ladder.Rung("MiniGrid-MemoryS13", None, "", 64)
    assert rung.task == "MiniGrid-MemoryS13"
    assert rung.flags("default") == f"--env MiniGrid-MemoryS13-v0 --total-timesteps 64 {ladder.STOP}"
    assert dataclasses.replace(rung, kind="in pixels").env_kwargs == ("observation=pixels",)


def test_a_page_says_what_made_it(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    page = tmp_path / "b.md"
    runs.write_page(page, "B", "First.\n\nRest.\n", "| x |\n")
    assert page.read_text() == "# B\n`python b.py`\n\nRest.\n\n| x |\n"


def test_a_row_takes_the_place_of_one_that_another_command_made(tmp_path):
    file = tmp_path / "rows.jsonl"
    rows = [{"task": "a", "variant": "b", "seed": seed, "command": "old"} for seed in (1, 2)]
    for row in [*rows, {**rows[0], "command": "new"}]:
        runs.replace(file, row)
    assert runs.read_rows(file) == [rows[1], {**rows[0], "command": "new"}]


def test_every_rung_with_a_delay_has_a_colour_in_the_figure():
    names = {delay_plot.series(rung) for rung in ladder.RUNGS if rung.delay is not None}
    assert names - {None} == set(delay_plot.COLOURS)


def test_the_ladder_trains_and_plays_on_lengths_never_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(ladder, "HERE", tmp_path)
    monkeypatch.setattr(ladder, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr(ladder, "STOP", "--num-envs 2 --eval-episodes 2")
    monkeypatch.setattr(ladder, "RUNGS", [ladder.Rung("GridTMazePassive", 4, "length", 64, 1)])
    yoked, priced, ni = (
        ladder.Rung("GridTMazePassive", 4, "length", 64, kind=k) for k in ("yoked", "priced", "ni2023")
    )
    assert [delay_plot.series(r) for r in (*ladder.RUNGS, yoked, priced, ni)] == [
        "GridTMazePassive",
        None,
        f"{priced.env} priced",
        "GridTMazePassive",
    ]
    monkeypatch.setattr(delay_plot, "RUNGS", [*ladder.RUNGS, yoked])
    monkeypatch.setattr(ladder, "ZERO_SHOT", {"GridTMazePassive 4": (20, (9,))})
    monkeypatch.setattr(runs, "EPISODES", 4)
    ladder.main(ladder.Ladder(jobs=1, tasks=("GridTMazePassive 4",)))
    (row,) = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert 0 <= row["zero_shot"]["9"]["greedy"] <= 1
    text = (tmp_path / "results.md").read_text()
    blind = row | {"variant": "no memory", "greedy": 0.5}
    worthless = row | {"task": yoked.task, "greedy": 0.3}  # not what the figure is about
    shown = [row | {"greedy": 1.0}, blind, worthless]
    success, _ = delay_plot.draw(shown, tmp_path / "docs" / "delay.png").axes
    assert len(success.lines) == 4  # ring, dot, cross and the line of chance: of two episodes there is no interval
    monkeypatch.setattr(delay_plot, "TWO_EPISODES", ())
    success, episodes = delay_plot.draw(shown, tmp_path / "docs" / "delay.png").axes
    ring, dot, cross, *bars = (line.get_xydata().tolist() for line in success.lines)
    assert ring == [[4, 0.5]] and dot == [[4, 1.0]] and cross == [[9, row["zero_shot"]["9"]["greedy"]]]
    assert [bar[0][0] for bar in bars[:2]] == [4, 9] and bars[0][1][1] == 1.0
    assert [(low, high) for (_, low), (_, high) in bars[:2]] == [  # a thousand episodes after a run, twenty played
        delay_plot.interval(rate, count) for rate, count in ((1.0, delay_plot.EPISODES), (cross[0][1], 20))
    ]
    assert episodes.lines[0].get_xydata().tolist() == [[4, row["episodes"]]]
    assert (tmp_path / "docs" / "delay.png").stat().st_size > 1000
    assert "| GridTMazePassive 4 | default |" in text and "| GridTMazePassive 4 | 1 | 9 | 20 |" in text


def test_wilsons_interval_by_hand():
    """8 of 10: (0.8 + 0.19208) / 1.38416 +- 1.96 sqrt(0.016 + 0.0096) / 1.38416 (z^2 / n = 0.38416)."""
    assert delay_plot.interval(0.8, 10) == pytest.approx((0.49016, 0.94332), abs=1e-4)
    assert delay_plot.interval(1.0, 10) == (pytest.approx(1 / 1.38416), 1.0)
    assert delay_plot.interval(0.0, 10) == (0.0, pytest.approx(0.38416 / 1.38416))


def test_the_plot_is_drawn_from_rows(tmp_path):
    rows = [{"task": "crowded", "variant": v, "curve": [[50_000, 0.0], [100_000, 0.5]]} for v in plot.LINES]
    plot.draw(rows, tmp_path / "docs" / "curves.png")
    assert (tmp_path / "docs" / "curves.png").stat().st_size > 1000


def test_training_speed(monkeypatch, capsys):
    monkeypatch.setattr(train_speed, "peer", lambda seconds: 100.0)
    train_speed.main(train_speed.Speed(warm_up=0.3, seconds=0.3, lengths=(4,)))
    row = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert row["length"] == 4 and row["ratio"] == pytest.approx(row["steps_per_second"] / 100, abs=0.1)


def test_environment_speed(capsys, monkeypatch):
    monkeypatch.setattr(env_speed, "cold_and_warm", lambda row: [12.34, 0.56])
    monkeypatch.setattr(env_speed, "one_core", lambda: None)  # would hold for all tests after this one
    env_speed.main(env_speed.Speed(seconds=0.02, rows=(0, 6)))
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert len({len(line) for line in (lines[0], *lines[2:])}) == 1
    assert [line[0] for line in lines[2:]] == ["| MemoryS13, symbolic", "| KeyToDoor, delay 1000"]
    for line in lines[2:]:
        speed, other = (int(cell.replace(",", "")) for cell in line[2:4])
        assert float(line[4]) == pytest.approx(speed / other, rel=0.02, abs=0.06)  # the cells are rounded
        assert line[-2:] == ["12.3", "0.6 |"]
    assert lines[3][5:9] == ["-"] * 4, "no peer has this task"


def test_a_failing_peer_is_told_from_a_missing_one(tmp_path):
    row, python = env_speed.ROWS[0], tmp_path / "python"
    for answer, expected in (("echo 12.5", 12.5), ("echo ModuleNotFoundError >&2; exit 1", "not installed")):
        python.write_text(f"#!/bin/sh\n{answer}\n")
        python.chmod(0o755)
        assert env_speed.peer("envpool", row, 1.0, str(python)) == expected
    python.write_text("#!/bin/sh\necho broken >&2; exit 1\n")
    with pytest.raises(RuntimeError, match="envpool failed:\nbroken"):
        env_speed.peer("envpool", row, 1.0, str(python))


@pytest.mark.slow
def test_first_compile_is_short():
    for row in (env_speed.ROWS[1], env_speed.ROWS[5], env_speed.ROWS[6]):
        cold, warm = env_speed.cold_and_warm(row)
        assert warm < cold < 30


def test_a_rung_that_is_not_there_is_told_with_those_that_are(capsys):
    with pytest.raises(SystemExit) as left:
        tyro.cli(ladder.Ladder, args=["--tasks", "KeyToDor 90"])
    assert left.value.code == 2
    told = "".join(capsys.readouterr().err.split())
    assert "KeyToDor90" in told and "'VisualMatchActive90'" in told.replace("│", "")
