"""Every kind of bad input is refused in one sentence that says what to do, before anything is written."""

import pytest

from reinstate.experiment.cli import main

BAD = {
    "near-miss environment": (
        ["--env", "Reinstate/GridTMazePasive-v0"],
        "Did you mean 'Reinstate/GridTMazePassive-v0'",
    ),
    "unknown keyword": (["--env-kwargs", "lenght=5"], "length"),
    "keyword without a value": (["--env-kwargs", "length"], "name=value"),
    "what an environment asserts without a word": (
        ["--env", "MiniGrid-Empty-5x5-v0", "--env-kwargs", "size=2"],
        "MiniGrid-Empty-5x5-v0 refuses --env-kwargs size=2",
    ),
    "length 0": (["--env-kwargs", "length=0"], "length"),
    "option pair": (["--agent", "lstm", "--recalculation", "target"], "--agent lstm"),
    "the same of the other cell": (["--agent", "gru", "--slots", "9"], "--slots has no effect with --agent gru"),
    "eta without target": (["--target-step", "5"], "--recalculation target"),
    "cosine of nothing": (["--check-cosine", "--recalculation", "refresh"], "--recalculation refresh"),
    "too few bits": (["--code-bits", "40"], "--code-bits"),
    "too few bits for an image": (["--env", "Reinstate/KeyToDoor-v0", "--code-bits", "24"], "--code-bits from 25"),
    "slots too large": (["--embedding-width", "64"], "256"),
    "negative": (["--seed", "-1"], "--seed"),
    "zero": (["--num-envs", "0"], "--num-envs"),
    "negative stagger": (["--stagger-steps", "-1"], "--stagger-steps"),
    "a stagger that leaves nothing": (
        ["--total-timesteps", "64", "--num-envs", "4", "--stagger-steps", "16"],
        "--stagger-steps 16 takes 64 steps",
    ),
    "share": (["--gae-lambda", "1.5"], "--gae-lambda"),
    "no horizon": (["--horizon", "0"], "--horizon"),
    "no episode": (["--replay-batch", "0"], "--replay-batch"),
    "a buffer that is not read": (["--credit", "bootstrap", "--replay-size", "9"], "with --credit bootstrap"),
    "a bonus without a buffer": (["--credit", "bootstrap", "--novelty-bonus", "0.1"], "with --credit bootstrap"),
    "imitation without a buffer": (["--credit", "bootstrap", "--imitation-coef", "0.5"], "with --credit bootstrap"),
    "credit without slots": (["--agent", "lstm", "--credit", "bootstrap"], "--agent lstm"),
    "too few decisions": (["--rollout-decisions", "1"], "--rollout-decisions"),
    "no repeat to turn off": (["--agent", "lstm", "--no-action-repeat"], "no effect with --agent lstm"),
    "no repeat where every step writes": (
        ["--write-rule", "always", "--no-action-repeat"],
        "no effect with --write-rule always",
    ),
    "two options without a memory": (
        ["--agent", "none", "--slots", "9", "--heads", "2"],
        "--slots, --heads have no effect with --agent none, which has no slots: leave them out",
    ),
    "codes that get nothing": (
        ["--recalculation", "none", "--recalculated-codes", "9"],
        "no effect with --recalculation none",
    ),
    "more episodes than there are": (
        ["--replay-size", "9", "--replay-batch", "10"],
        "--replay-size: raise that",
    ),
    "device": (["--device", "cuda"], "--device"),
    "not a number": (["--learning-rate", "nan"], "--learning-rate"),
    "no clipping": (["--max-grad-norm", "0"], "--max-grad-norm"),
    "negative entropy": (["--ent-coef", "-0.1"], "--ent-coef"),
    "actions": (["--env", "Pendulum-v1"], "Discrete"),
}


@pytest.mark.parametrize(("flags", "says"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_sentence_and_writes_nothing(tmp_path, capsys, flags, says):
    run = tmp_path / "run"
    assert main(["train", "--run-dir", str(run), *flags]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and says in error and error.count("\n") == 1
    assert not run.exists()


@pytest.mark.parametrize(
    "flags",
    [
        ["--no-such-flag", "1"],
        ["--recalculation", "exact"],
        ["--agent", "transformer"],
        ["--device", "tpu"],
        ["--credit", "transport"],
        ["--write-rule", "every_k"],
        ["--eviction", "least_read"],
        ["--write-every", "5"],
        ["--chunk-steps", "16"],
    ],
    ids=" ".join,
)
def test_what_the_parser_refuses_exits_2(flags, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", *flags])
    assert stop.value.code == 2


def test_a_folder_in_use_is_left_alone(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["train", "--run-dir", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["train", "--run-dir", str(tmp_path / "file" / "run")]) == 2
    assert "--run-dir" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "inspect"])
def test_keywords_that_change_the_observation(memory_run, capsys, command):
    assert main([command, str(memory_run), "--env-kwargs", "observation=pixels"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: with --env-kwargs observation=pixels Reinstate/GridTMazePassive-v0 has other")
    assert error.count("\n") == 1


@pytest.mark.parametrize("flags", [["--episodes", "0"], ["--seed", "-1"]])
def test_numbers_that_evaluation_refuses(memory_run, capsys, flags):
    assert main(["evaluate", str(memory_run), *flags]) == 2
    assert "--episodes must be at least 1 and --seed not negative" in capsys.readouterr().err


def test_a_missing_run_names_its_neighbour(tmp_path, capsys):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "config.json").write_text("{}")
    assert main(["evaluate", str(tmp_path / "firts")]) == 2
    assert f"did you mean {tmp_path / 'first'}" in capsys.readouterr().err


def test_a_config_of_another_version(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "was it written by another version?" in capsys.readouterr().err
