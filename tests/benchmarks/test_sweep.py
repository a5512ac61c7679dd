"""bsuite's sweeps: a small run of the script, and what it counts."""

import re

import pytest
import runs
import sweep

from reinstate.envs.adapt import make_vector

HEAD = "step,r,l,success,cue,t\n"


def test_the_sweep_trains_counts_and_resumes(tmp_path, monkeypatch, capsys):
    for name, value in (("HERE", tmp_path), ("RESULTS", tmp_path / "sweep.jsonl"), ("EPISODES", 12)):
        monkeypatch.setattr(sweep, name, value)
    monkeypatch.setattr(sweep, "ENVS", dict.fromkeys(sweep.ENVS, 5))
    monkeypatch.setattr(sweep, "write_page", lambda *arguments: None)
    monkeypatch.setattr(runs, "EPISODES", 4)
    sweep.main(sweep.Sweep(jobs=1, longest=1))
    rows = runs.read_rows(tmp_path / "sweep.jsonl")
    assert [(r["task"], r["variant"]) for r in rows] == [
        ("MemoryChain 1", "default"),
        ("MemoryChain 1", "no memory"),
        ("UmbrellaChain 1", "default"),
    ]
    assert all(0 <= r["right"] <= 1 for r in rows)
    assert "| MemoryChain | no memory | 1 |" in capsys.readouterr().out
    monkeypatch.setattr(runs, "make", lambda *arguments: pytest.fail("made a run whose row stands"))
    sweep.main(sweep.Sweep(jobs=1, longest=1))


def test_only_the_first_episodes_count(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "EPISODES", 4)
    successes = ("True", "False", "True", "True", "False")
    (tmp_path / "monitor.csv").write_text(HEAD + "".join(f"1,0,1,{word},,0\n" for word in successes))
    assert sweep.look_at(tmp_path) == {"right": 0.75}
    monkeypatch.setattr(sweep, "EPISODES", 6)
    with pytest.raises(AssertionError, match="5 episodes have ended, and 6 count"):
        sweep.look_at(tmp_path)


def test_a_run_lasts_for_the_episodes_that_count():
    found = sweep.runs(sweep.Sweep())
    assert len({run.task for run in found}) == 46
    for run in (found[3], found[-1]):
        chain, length = run.task.split()
        (budget,) = re.findall(r"--total-timesteps (\d+)", run.flags)
        played = make_vector(f"Reinstate/{chain}-v0", 1, {"length": int(length)})
        played.reset(seed=[1])
        ended = 0
        for _ in range(3 * sweep.steps_of(chain, int(length))):
            _, _, terminated, _, _ = played.step([0])
            ended += terminated[0]
        assert ended == 3
        assert f"--spread-steps {sweep.steps_of(chain, int(length))} " in f"{run.flags} "
        envs = sweep.ENVS[chain]
        rounds = int(budget) // (envs * sweep.steps_of(chain, int(length)))
        assert sweep.EPISODES <= (rounds - 1) * envs < sweep.EPISODES + envs  # the spread takes one


def test_umbrella_chains_are_held_whole_and_long_ones_learn_with_the_usual_step():
    found = [run for run in sweep.runs(sweep.Sweep()) if run.task.startswith("UmbrellaChain")]
    for run in found:
        length = int(run.task.split()[1])
        held = re.search(r"--chunk-decisions (\d+) --slots (\d+) ", run.flags)
        assert all(int(number) >= length for number in held.groups())
        assert re.findall(r"--learning-rate (\S+)", run.flags) == ["0.003"] * (length <= 30)


def test_solved_is_bsuites_rule():
    def row(task, right):
        return {"task": task, "variant": "default", "right": right, "greedy": 1.0, "minutes": 1.0}

    rows = [row("MemoryChain 1", 0.626), row("MemoryChain 2", 0.625)]
    text = sweep.table([*rows, row("UmbrellaChain 1", 0.751), row("UmbrellaChain 2", 0.75)])
    assert [line.split(" | ")[4] for line in text.splitlines()[2:]] == ["yes", "no"] * 2
    lengths = "1 2 3 4 5 6 7 8 9 10 12 14 17 20 25 30 40 50 60 70 80 90 100"
    assert sweep.LENGTHS == tuple(int(word) for word in lengths.split())
