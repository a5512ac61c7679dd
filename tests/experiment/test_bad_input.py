"""Every kind of bad input is refused in one sentence that says what to do, before anything is written."""

import shlex

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

# Mistakes in words, of every command: each is refused before anything is written, by one sentence that says this.
# In the folder are `file`, the folder `empty`, and run folders whose config.json is broken.
WRONG = [
    ("trian", "there is no command 'trian'. Did you mean 'train'?"),
    ("Evaluate run", "Did you mean 'evaluate'?"),
    ("no-such-command --seed 1", "There are: train, evaluate, inspect, play, bench"),
    ("train --num-envs 1000000000", "--num-envs times --slots would take at least"),
    ("train --num-envs 1e9 --agent none", "--num-envs would take at least"),
    ("train --slots 1e9", "--replay-size times --slots would take at least"),
    ("train --replay-size 1e12", "--replay-size times --slots would take at least"),
    ("train --codec-frames 1e12", "--codec-frames would take at least"),
    ("train --rollout-steps 1e12 --total-timesteps 1e15", "--num-envs times --rollout-steps would take at least"),
    ("train --embedding-width 1e9", "--embedding-width is 1000000000; it must be from 1 to 1024"),
    ("train --heads 1e9", "--heads is 1000000000"),
    ("train --code-bits 1e9", "--code-bits is 1000000000"),
    ("train --seed 1e30", "--seed is a huge number; it must be less than 2^63"),
    (f"train --total-timesteps 1{'0' * 30}", "--total-timesteps is a huge number"),
    ("train --total-timesteps 0", "--total-timesteps is 0; it must be at least 1"),
    ("train --total-timesteps=-5", "--total-timesteps is -5"),
    ("train --torch-threads 100000", "--torch-threads is 100000; it must be from 1 to 1024"),
    ("train --learning-rate 1e400", "--learning-rate is inf; it must be a finite number"),
    ("train --stop-at-success 2", "--stop-at-success is 2.0; it must be between 0 and 1"),
    ("train --stop-at-return nan", "--stop-at-return is nan; it must be a finite number"),
    ("train --eval-max-steps 0", "--eval-max-steps is 0; it must be at least 1"),
    ("train --env ''", "--env is ''; it must not be empty"),
    ("train --env NoSuchEnv-v0", "Unknown environment 'NoSuchEnv-v0'"),
    ("train --env CartPole", "Did you mean 'CartPole-v1'?"),
    ("train --env Übung-v0", "Unknown environment 'Übung-v0'"),
    ("train --env no_such_module:Env-v0", "needs the module 'no_such_module'"),
    ("train --env a\0b", "--env is 'a\\x00b'; it must have no zero byte"),
    ("train --env-kwargs length=1e400", "length=inf is not possible"),
    ("train --env-kwargs length=1.5", "length=1.5 is not possible"),
    ("train --env-kwargs length=true", "length=True is not possible"),
    ("train --env-kwargs length=null", "length=None is not possible"),
    ("train --env-kwargs length=[1]", "length=[1] is not possible"),
    ("train --env-kwargs length=abc", "length='abc' is not possible"),
    (f"train --env-kwargs length={'9' * 5000}", "length='9999"),
    (f"train --env-kwargs length={'[' * 5000}", "length='[[[["),
    ("train --env-kwargs penalty=NaN", "penalty=nan is not a cost"),
    ("train --env-kwargs größe=5", "has no option 'größe'"),
    ("train --env-kwargs 'two words=5'", "--env-kwargs takes name=value"),
    ("train --env-kwargs observation=3", "observation=3 is unknown"),
    ("train --run-dir file", "file exists and is not empty"),
    ("train --run-dir file/run", "the run folder file/run cannot be made"),
    ("train --run-dir /proc/run", "the run folder /proc/run cannot be made"),
    ("train --run-dir a\0b", "--run-dir is 'a\\x00b'; it must have no zero byte"),
    ("train --run-dir ''", "--run-dir is ''; it must not be empty"),
    (f"train --run-dir {'x' * 500}", "cannot be made (File name too long)"),
    ("train --name a/b", "--name is 'a/b'; it must have no / and at most 100 characters"),
    (f"train --name {'x' * 101}", "it must have no / and at most 100 characters"),
    ("train --start-from nowhere", "nowhere is no run folder"),
    ("train --start-from file", "file is no run folder"),
    ("train --start-from list", "list/config.json: what it holds is []"),
    ("evaluate nowhere", "nowhere is no run folder"),
    ("evaluate file", "file is no run folder"),
    ("evaluate empty", "empty is no run folder"),
    ("evaluate a\0b", "is no run folder"),
    ("evaluate list", "list/config.json: what it holds is []; it must be options by name"),
    ("evaluate bytes", "bytes/config.json"),
    ("evaluate deep", "deep/config.json"),
    ("evaluate folder", "folder/config.json is not a file"),
    ("evaluate nowhere --episodes 0", "--episodes is 0; it must be at least 1"),
    ("evaluate nowhere --seed=-1", "--seed is -1; it must be 0 or more"),
    ("evaluate nowhere --eval-max-steps 0", "--eval-max-steps is 0"),
    ("inspect nowhere", "nowhere is no run folder"),
    ("inspect list", "list/config.json: what it holds is []"),
    ("inspect nowhere --seed 1e30", "--seed is a huge number"),
    ("play NoSuchEnv-v0", "Unknown environment 'NoSuchEnv-v0'"),
    ("play ''", "Unknown environment ''"),
    ("play CartPole-v1 --seed=-1", "--seed is -1; it must be 0 or more"),
    ("play CartPole-v1 --env-kwargs foo=1", "has no option 'foo'"),
    ("play CartPole-v1 --env-kwargs foo", "--env-kwargs takes name=value"),
    ("play Reinstate/GridTMazePassive-v0 --env-kwargs length=-1", "length=-1 is not possible"),
    ("play Pendulum-v1", "Pendulum-v1 has the continuous actions"),
]


def files(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*"))


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """The current folder, with what one may mistake for a run."""
    (tmp_path / "file").write_text("mine")
    contents = {"list": b"[]", "bytes": b"\xff\xfe\x00", "deep": b"[" * 100_000}
    for name in (*contents, "empty", "folder/config.json"):
        (tmp_path / name).mkdir(parents=True)
    for name, content in contents.items():
        (tmp_path / name / "config.json").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("words", "says"), WRONG, ids=[words[:60] for words, _ in WRONG])
def test_a_wrong_command_is_answered_in_one_sentence(broken, capsys, words, says):
    before = files(broken)
    assert main(shlex.split(words)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and says in error and error.count("\n") == 1
    assert files(broken) == before


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
        ["--slots", "1.5"],
        ["--slots", ""],
        ["--seed"],
        ["--seed", "1", "2"],
        ["--agent", ""],
        ["--action-repeat", "maybe"],
        ["train"],
    ],
    ids=" ".join,
)
def test_what_the_parser_refuses_exits_2(flags, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", *flags])
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) <= 12


@pytest.mark.parametrize(
    "words", ["evaluate", "evaluate a b", "inspect", "play", "bench a b", "bench --jobs x", "--zzz"]
)
def test_what_the_parser_refuses_of_the_other_commands(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words.split())
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) <= 12


def test_a_near_miss_of_a_flag_gets_a_suggestion(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--total-timestep", "5"])
    said = capsys.readouterr().err
    assert "Perhaps you meant" in said and "--total-timesteps INT" in said


def test_a_corridor_that_does_not_fit_the_memory(broken, capsys):
    before = files(broken)
    assert main(["train", "--env-kwargs", "length=1000000000000"]) == 1
    said = "error: this machine has too little memory: lower --num-envs, --slots, --replay-size or --env-kwargs\n"
    assert capsys.readouterr().err == said and files(broken) == before


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
    assert f"error: {flags[0]} is {flags[1]}; it must be " in capsys.readouterr().err


def test_a_missing_run_names_its_neighbour(tmp_path, capsys):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "config.json").write_text("{}")
    assert main(["evaluate", str(tmp_path / "firts")]) == 2
    assert f"did you mean {tmp_path / 'first'}" in capsys.readouterr().err


def test_a_config_of_another_version(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "was it written by another version?" in capsys.readouterr().err
