"""Suites: what their fields become, and that every run is a command that trains."""

import re
import shlex

import pytest
import tyro

from benchmarks.rows import ROOT, read_rows
from benchmarks.suite import FOLDER, MAIN_JOB, expand, load, table, tomllib
from reinstate.envs.adapt import make_vector
from reinstate.experiment.option_checks import check
from reinstate.experiment.options import RunOptions

SUITES = {file.stem: load(file) for file in sorted(FOLDER.glob("*.toml"))}
STOP = "--stop-at-success 0.98 --eval-every 0"


def parsed(flags):
    return tyro.cli(RunOptions, args=shlex.split(flags), config=(tyro.conf.OmitArgPrefixes,))


def chosen(suite, task, variant="default"):
    return [run for run in SUITES[suite].runs if (run.task, run.variant) == (task, variant)]


def test_every_run_is_a_command_that_trains():
    """Those of the chains differ by numbers alone: some lengths of each."""
    every = [run for suite in SUITES.values() for run in suite.runs]
    assert len(every) > 300
    chosen = [run for run in every if run.seed == 1 and run.fields.get("length", 100) in (1, 20, 100, 1000)]
    for command in {command for run in chosen for command in run.commands}:
        check(parsed(command.removeprefix("python train.py ")))


@pytest.mark.parametrize(("name", "known"), [("recalculation", 5), ("delay", 146), ("pixels", 14), ("chains", 50)])
def test_committed_rows_are_runs_of_their_suite(name, known):
    """All have a place in the table; rows of today's commands are not made again."""
    rows = read_rows(ROOT / "benchmarks" / "results" / f"{name}.jsonl")
    runs = SUITES[name].runs
    keys = [tuple(run.key.values()) for run in runs]
    assert len(keys) == len(set(keys))
    assert {(r["task"], r["variant"], r["seed"]) for r in rows} <= set(keys)
    commands = {(run.task, run.variant, run.command) for run in runs}
    assert sum((r["task"], r["variant"], r["command"]) in commands for r in rows) == known


def test_the_main_job_has_its_options_in_one_place():
    job = tomllib.loads(MAIN_JOB.read_text())["main-job"]
    run = next(r for r in SUITES["recalculation"].runs if r.fields.get("alone"))
    assert run.label == "crowded, direct, seed 1"
    own = f"{job['options']} {job['memory']}"
    assert run.flags == f"{own} --total-timesteps {job['budget']} --stop-at-success 0.98"
    assert own in chosen("pixels", "GridTMazeCrowdedPassive in pixels 100")[0].flags
    assert f'recalculation --only "{run.label}" --live' in (ROOT / "Makefile").read_text()
    assert job["options"] not in (ROOT / "Makefile").read_text()


DATA = {
    "command": "--env E {kind} --total-timesteps {budget} {options} {memory} {flags}",
    "fields": {"kind": "", "options": "", "memory": "", "flags": ""},
    "variants": {
        "default": {},
        "oracle": {"flags": "--recalculation oracle"},
        "no memory": {"flags": "--agent none", "memory": ""},
    },
}
FAMILIES = {"long": {"name": "Task {delay:,}", "options": "--horizon {horizon:.3f} --num-envs 2", "budget": 64}}


def test_fields_are_merged_and_filled():
    """The family's, then the task's, then the variant's."""
    runs = {"default": 1, "oracle": 2, "no memory": 3}
    task = {"like": "long", "delay": 1_500, "horizon": 0.15, "memory": "--credit synthetic", "runs": runs}
    own, *controls = expand(DATA | {"tasks": [task]}, FAMILIES)
    assert own.label == "Task 1,500, default, seed 1"
    start = "--env E --total-timesteps 64 --horizon 0.150 --num-envs 2"
    assert own.flags == f"{start} --credit synthetic"
    assert own.command == f"python train.py {own.flags} --seed 1"
    assert [(c.variant, c.seed) for c in controls] == [
        *(("oracle", seed) for seed in (1, 2)),
        *(("no memory", seed) for seed in (1, 2, 3)),
    ]
    assert controls[0].flags == f"{own.flags} --recalculation oracle"
    assert controls[2].flags == f"{start} --agent none"


def test_a_list_is_one_task_for_each_position():
    task = {"like": "long", "horizon": 1, "runs": {"default": 1}, "each": {"delay": [1, 2], "budget": [10, 20]}}
    runs = list(expand(DATA | {"tasks": [task]}, FAMILIES))
    assert [(r.task, r.fields["budget"]) for r in runs] == [("Task 1", 10), ("Task 2", 20)]
    with pytest.raises(ValueError):
        list(expand(DATA | {"tasks": [task | {"each": {"delay": [1, 2], "budget": [10]}}]}, FAMILIES))


def test_what_no_field_says_is_an_error():
    with pytest.raises(KeyError, match="horizon"):
        list(expand(DATA | {"tasks": [{"like": "long", "delay": 1, "runs": {"default": 1}}]}, FAMILIES))
    with pytest.raises(KeyError, match="lstm"):
        list(expand(DATA | {"tasks": [{"like": "long", "delay": 1, "horizon": 1, "runs": {"lstm": 1}}]}, FAMILIES))


def test_a_control_takes_back_what_the_task_names():
    (own, *_), (control, *_) = (chosen("delay", "VisualMatchPassive 5", v) for v in ("default", "no comparison"))
    assert parsed(own.flags).memory.compare and not parsed(control.flags).memory.compare
    control = chosen("delay", "KeyToDoor 90", "credit episodic")[0]
    assert "--credit synthetic" in control.flags
    assert parsed(control.flags).learning.credit == "episodic"  # the last one holds


def test_a_task_that_starts_from_another_one():
    """Its controls start from the same control there, and its row has the commands and the cost of both."""
    short, long = (chosen("delay", f"VisualMatchActive {delay}")[0] for delay in ("5", "90 after 5"))
    assert long.command == (
        f"python train.py {short.flags} --seed 1 --run-dir runs/before"
        f" && python train.py --start-from runs/before {long.flags} --seed 1"
    )
    control = chosen("delay", "VisualMatchActive 90 after 5", "no memory")[0]
    assert control.commands[0].endswith("--agent none --seed 1") and "--compare" not in control.command


def test_an_environment_of_another_package():
    (run, *_) = chosen("delay", "MiniGrid-MemoryS13")
    assert run.flags == f"--env MiniGrid-MemoryS13-v0 --total-timesteps 10000000 {STOP}"
    (run, *_) = chosen("pixels", "MiniGrid-MemoryS13 in pixels")
    assert run.flags == run.flags.replace("-v0 ", "-v0 --env-kwargs observation=pixels ", 1) or "pixels" in run.flags


def test_only_memories_that_gradients_cross_are_watched():
    runs = SUITES["pixels"].runs
    assert {run.variant for run in runs if "--check-cosine" in run.flags} == {"gradients compared"}
    assert {run.variant for run in runs} == {"default", "gradients compared", "recalculation none", "no memory"}
    plain, compared = (chosen("pixels", "MiniGrid-MemoryS13 in pixels", v) for v in ("default", "gradients compared"))
    assert compared[0].flags == f"{plain[0].flags} --check-cosine" and len(compared) == 1


def test_bsuites_lengths_and_rule():
    lengths = "1 2 3 4 5 6 7 8 9 10 12 14 17 20 25 30 40 50 60 70 80 90 100".split()
    for chain in ("MemoryChain", "UmbrellaChain"):
        assert [r.task for r in SUITES["chains"].runs if r.variant == "default" and chain in r.task] == [
            f"{chain} {length}" for length in lengths
        ]

    def row(task, right):
        return {"task": task, "variant": "default", "seed": 1, "right": right, "greedy": 1.0, "minutes": 1.0}

    rows = [row("MemoryChain 1", 0.626), row("MemoryChain 2", 0.625)]
    text = table(SUITES["chains"], [*rows, row("UmbrellaChain 1", 0.751), row("UmbrellaChain 2", 0.75)])
    assert [line.split(" | ")[3] for line in text.splitlines()[2:]] == ["yes", "no"] * 2


def test_a_run_of_a_chain_lasts_for_the_episodes_that_count():
    runs = SUITES["chains"].runs
    for run in runs:
        length, steps, envs = (run.fields[key] for key in ("length", "steps", "num_envs"))
        assert steps == (length + 1 if "MemoryChain" in run.task else length)
        (budget,) = re.findall(r"--total-timesteps (\d+)", run.flags)
        assert f"--stagger-steps {steps} " in f"{run.flags} "
        rounds = int(budget) // (envs * steps)
        assert 10_000 <= (rounds - 1) * envs < 10_000 + envs  # the spread takes one
    for run in (runs[3], runs[-2]):
        chain, length = run.task.split()
        played = make_vector(f"Reinstate/{chain}-v0", 1, {"length": int(length)})
        played.reset(seed=[1])
        ended = sum(int(played.step([0])[2][0]) for _ in range(3 * run.fields["steps"]))
        assert ended == 3


def test_umbrella_chains_are_held_whole_and_long_ones_learn_with_the_usual_step():
    found = [run for run in SUITES["chains"].runs if run.task.startswith("UmbrellaChain")]
    for run in found:
        length = run.fields["length"]
        held = re.search(r"--rollout-decisions (\d+) --slots (\d+) ", run.flags)
        assert all(int(number) >= length for number in held.groups())
        assert re.findall(r"--learning-rate (\S+)", run.flags) == ["0.003"] * (length <= 30)


def test_seeds_stand_side_by_side():
    rows = [
        {"task": "crowded", "variant": "none", "seed": seed, "greedy": greedy, "sampled": 0.25, "probe_before": None}
        | {"probe_after": 0.5, "steps": 1234, "episodes": 5, "minutes": 1.25}
        for seed, greedy in ((2, 1.0), (1, 0.5))
    ]
    text = table(SUITES["recalculation"], rows)
    assert text.splitlines()[2:] == [
        "| crowded | none | 0.500 1.000 | 0.250 0.250 | - - | 0.50 0.50 | 1,234 1,234 | 5 5 | 1.2 1.2 |"
    ]
