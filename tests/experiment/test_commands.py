"""The commands end to end: tiny runs through the real command line, and every kind of bad input."""

import datetime
import json
from importlib.metadata import version

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import reinstate.experiment.training
from reinstate.agents.options import LearningOptions
from reinstate.experiment import checkpoint, run_folder
from reinstate.experiment.checkpoint import FORMAT
from reinstate.experiment.cli import main
from reinstate.experiment.options import RunOptions
from reinstate.experiment.run_folder import read_options
from reinstate.experiment.trained import load_agent
from reinstate.memory.options import MemoryOptions

TINY = "--num-envs 4 --eval-episodes 4 --chunk-steps 16 --chunk-decisions 16".split()


def train(folder, *flags, env="Reinstate/GridTMazePassive-v0", length=4, steps=320):
    place = ["--run-dir", str(folder), "--env", env, "--total-timesteps", str(steps)]
    kwargs = ["--env-kwargs", f"length={length}"] if length else []
    return main(["train", *place, *kwargs, *TINY, *flags])


def weights(folder):
    (found,) = (folder / "checkpoints").glob("step_*/weights.safetensors")
    return load_file(found)


@pytest.mark.parametrize(
    ("env", "length", "flags"),
    [
        ("Reinstate/GridTMazeActive-v0", 4, []),
        ("Reinstate/TMazePassive-v0", 4, ["--recalculation", "refresh"]),
        ("Reinstate/TMazeActive-v0", 4, ["--agent", "lstm"]),
        ("CartPole-v1", None, ["--agent", "none"]),
        ("CartPole-v1", None, []),
        ("Reinstate/KeyToDoor-v0", None, ["--env-kwargs", "delay=0"]),
        ("Reinstate/VisualMatchPassive-v0", None, ["--agent", "lstm", "--env-kwargs", "delay=0"]),
        ("Reinstate/GridTMazePassive-v0", None, ["--check-cosine", "--env-kwargs", "length=4", "observation=pixels"]),
        ("Reinstate/GridTMazePassive-v0", None, ["--agent", "none", "--env-kwargs", "length=4", "observation=pixels"]),
        ("MiniGrid-MemoryS7-v0", None, ["--write-rule", "every_k", "--eviction", "least_read"]),
    ],
)
def test_train_and_evaluate(tmp_path, capsys, env, length, flags):
    run = tmp_path / "run"
    assert train(run, *flags, env=env, length=length) == 0
    told = capsys.readouterr().out
    assert "seed 1" in told and f"tensorboard --logdir {run}" in told and f"reinstate evaluate {run}" in told
    for name in ("config.json", "command.txt", "versions.json", "metrics.jsonl", "monitor.csv", "eval/final.json"):
        assert (run / name).is_file()
    assert main(["evaluate", str(run), "--episodes", "5", "--seed", "3", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["greedy"]["episodes"] == result["sampled"]["episodes"] == 5


def test_evaluation_is_reproducible_and_its_seed_matters(tmp_path, capsys):
    run = tmp_path / "run"
    train(run, "--agent", "none", env="CartPole-v1", length=None)  # its lengths tell episodes apart
    capsys.readouterr()
    lines = []
    for seed in ("3", "3", "4"):
        main(["evaluate", str(run), "--episodes", "5", "--seed", seed, "--stochastic", "--json"])
        result = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert "greedy" not in result
        lines.append(result["sampled"])
    assert lines[0] == lines[1] != lines[2]


def test_evaluate_on_another_length(tmp_path, capsys):
    run = tmp_path / "run"
    train(run, env="Reinstate/TMazePassive-v0")
    main(["evaluate", str(run), "--episodes", "3", "--env-kwargs", "length=9", "--json"])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["greedy"]["mean_ep_length"] == 10.0


def test_a_checkpoint_is_the_agent(tmp_path):
    train(tmp_path / "run")
    agent, _, step = load_agent(tmp_path / "run")
    assert step == 320
    again = checkpoint.tensors_of(agent)
    saved = weights(tmp_path / "run")
    assert saved.keys() == again.keys() and all(torch.equal(saved[k], again[k]) for k in saved)


def test_same_seed_same_parameters(tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        train(tmp_path / name, "--seed", seed)
    a, b, c = (weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not all(torch.equal(a[k], c[k]) for k in a)


@pytest.mark.parametrize("agent", ["memory", "none"])
def test_a_run_can_start_from_another_one(tmp_path, capsys, monkeypatch, agent):
    monkeypatch.setattr(reinstate.experiment.training, "update", lambda *_: {})  # the agent stays as it began
    monkeypatch.setattr(reinstate.experiment.training, "update_codec", lambda *_: {})
    first, other, then = (tmp_path / name for name in ("first", "other", "then"))
    flags = ["--agent", agent, "--eval-every", "0"]
    assert train(first, *flags, "--seed", "2") == train(other, *flags) == 0
    assert train(then, *flags, "--start-from", str(first), length=9) == 0
    assert f"begins with the agent of {first}\n" in capsys.readouterr().out
    a, b, c = weights(first), weights(other), weights(then)
    assert all(torch.equal(a[k], c[k]) for k in a) and not all(torch.equal(a[k], b[k]) for k in a)
    again = load_agent(then)[0]  # from its own folder alone
    assert all(torch.equal(c[k], t) for k, t in checkpoint.tensors_of(again).items())


@pytest.mark.parametrize(
    ("flags", "length", "env", "says"),
    [
        (["--agent", "none"], 4, "Reinstate/TMazePassive-v0", "--agent is memory there and none here"),
        (["--heads", "2"], 4, "Reinstate/TMazePassive-v0", "--heads is 8 there and 2 here"),
        (["--slots", "9"], 4, "Reinstate/TMazePassive-v0", "--slots is 32 there and 9 here"),
        ([], None, "CartPole-v1", "TMazePassive-v0 has other observations or actions than CartPole-v1"),
    ],
)
def test_a_run_cannot_start_from_an_agent_that_is_made_for_something_else(tmp_path, capsys, flags, length, env, says):
    first, then = tmp_path / "first", tmp_path / "then"
    train(first, env="Reinstate/TMazePassive-v0")
    capsys.readouterr()
    assert train(then, "--start-from", str(first), *flags, env=env, length=length) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --start-from {first}: ") and says in error and error.count("\n") == 1
    assert not then.exists()
    assert train(then, "--start-from", str(tmp_path / "frist")) == 2
    assert f"did you mean {first}?" in capsys.readouterr().err


def test_tensorboard_tags(tmp_path):
    run = tmp_path / "run"
    train(run, "--check-cosine")
    events = EventAccumulator(str(run))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    for tag in (
        "time/fps rollout/ep_rew_mean rollout/ep_len_mean rollout/success_rate train/policy_loss train/value_loss "
        "train/entropy train/approx_kl train/clip_fraction train/explained_variance train/learning_rate "
        "train/grad_norm eval/mean_reward eval/success_rate eval/mean_ep_length eval_sampled/success_rate "
        "memory/slots_used memory/writes_per_step memory/read_entropy memory/read_age memory/bytes_per_slot "
        "codec/fidelity codec/version codec/ring_frames "
        "recalculation/codes recalculation/share recalculation/drift recalculation/gradient "
        "recalculation/cosine"
    ).split():
        assert tag in tags
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()][-1] == 320


@pytest.mark.parametrize(
    ("flags", "slot"), [([], 146), (["--check-cosine"], 146), (["--recalculation", "oracle"], 293)]
)
def test_what_finished_episodes_take_is_told(tmp_path, capsys, flags, slot):
    """Observations of 7x7x3 bytes are kept there for the oracle alone."""
    train(tmp_path / "run", *flags)
    told = f"the slots of the last 4,096 finished episodes take up to {slot * 32 * 4096 / 1e6:.1f} MB\n"
    assert told in capsys.readouterr().out


def test_ctrl_c_saves_and_exits_130(tmp_path, monkeypatch, capsys):
    real, calls = reinstate.experiment.training.collect, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(reinstate.experiment.training, "collect", interrupted)
    assert train(tmp_path / "run") == 130
    assert load_agent(tmp_path / "run")[2] == 128
    assert "interrupted" in capsys.readouterr().out


@pytest.mark.parametrize(("fails", "error"), [("evaluate", KeyboardInterrupt), ("collect", OSError)])
def test_what_fails_besides_learning_costs_nothing_that_was_learnt(tmp_path, monkeypatch, fails, error):
    """Ctrl-C in the last evaluation, and an environment that breaks down."""
    real, calls = getattr(reinstate.experiment.training, fails), []

    def failing(*arguments):
        calls.append(1)
        if fails == "evaluate" or len(calls) == 3:
            raise error
        return real(*arguments)

    monkeypatch.setattr(reinstate.experiment.training, fails, failing)
    if error is KeyboardInterrupt:
        assert train(tmp_path / "run", "--eval-every", "0") == 130
    else:
        with pytest.raises(error):
            train(tmp_path / "run", "--eval-every", "0")
    assert load_agent(tmp_path / "run")[2] == {"evaluate": 320, "collect": 128}[fails]


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
    "option pair": (["--agent", "lstm", "--recalculation", "target"], "--agent memory"),
    "eta without target": (["--target-step", "5"], "--recalculation target"),
    "k without every_k": (["--write-every", "5"], "every_k"),
    "cosine of nothing": (["--check-cosine", "--recalculation", "refresh"], "direct, target or oracle"),
    "too few bits": (["--code-bits", "40"], "--code-bits"),
    "too few bits for an image": (["--env", "Reinstate/KeyToDoor-v0", "--code-bits", "24"], "--code-bits from 25"),
    "slots too large": (["--embedding-width", "64"], "256"),
    "negative": (["--seed", "-1"], "--seed"),
    "zero": (["--num-envs", "0"], "--num-envs"),
    "negative spread": (["--spread-steps", "-1"], "--spread-steps"),
    "a spread that leaves nothing": (
        ["--total-timesteps", "64", "--num-envs", "4", "--spread-steps", "16"],
        "--spread-steps 16 takes 64 steps",
    ),
    "share": (["--gae-lambda", "1.5"], "--gae-lambda"),
    "no horizon": (["--horizon", "0"], "--horizon"),
    "no episode": (["--replayed-episodes", "0"], "--replayed-episodes"),
    "a ring that nobody reads": (["--credit", "bootstrap", "--episode-ring", "9"], "another --credit"),
    "a bonus without a ring": (["--credit", "bootstrap", "--novelty-bonus", "0.1"], "another --credit"),
    "value carried nowhere": (["--credit", "transport"], "--horizon"),
    "imitation without a ring": (["--credit", "bootstrap", "--imitation-coef", "0.5"], "another --credit"),
    "credit without slots": (["--agent", "lstm", "--credit", "bootstrap"], "--agent memory"),
    "too few decisions": (["--chunk-decisions", "1"], "--chunk-decisions"),
    "growth of what is never held": (["--agent", "lstm", "--hold-growth", "2"], "no effect with --agent lstm"),
    "growth where every step writes": (
        ["--write-rule", "always", "--hold-growth", "2"],
        "no effect with --write-rule always",
    ),
    "a draw that is not made": (["--agent", "lstm", "--states-per-env", "4"], "no effect with --agent lstm"),
    "writes without a memory": (["--agent", "none", "--novel-share", "0.5"], "no effect with --agent none"),
    "codes that get nothing": (
        ["--recalculation", "none", "--recalculated-codes", "9"],
        "no effect with --recalculation none",
    ),
    "more episodes than there are": (
        ["--episode-ring", "9", "--replayed-episodes", "10"],
        "--episode-ring: raise that",
    ),
    "hold": (["--hold-growth", "0.5"], "--hold-growth"),
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


def test_a_folder_in_use_is_left_alone(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["train", "--run-dir", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_what_changes_the_observation_is_told(tmp_path, capsys):
    run = str(tmp_path / "run")
    train(tmp_path / "run")
    for command in ("evaluate", "inspect"):
        assert main([command, run, "--env-kwargs", "observation=pixels"]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: with --env-kwargs observation=pixels Reinstate/GridTMazePassive-v0 has other")
        assert error.count("\n") == 1


def test_a_missing_run_names_its_neighbour(tmp_path, capsys):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "config.json").write_text("{}")
    assert main(["evaluate", str(tmp_path / "firts")]) == 2
    assert f"did you mean {tmp_path / 'first'}" in capsys.readouterr().err


def test_damaged_weights_and_missing_checkpoints_are_told(tmp_path, capsys):
    run = tmp_path / "run"
    train(run, "--agent", "none")
    assert main(["evaluate", str(run), "--checkpoint", "step_7"]) == 2
    assert "there is: step_000000320" in capsys.readouterr().err
    (found,) = (run / "checkpoints").glob("step_*/weights.safetensors")
    data = bytearray(found.read_bytes())
    data[-1] ^= 1
    found.write_bytes(data)
    assert main(["evaluate", str(run)]) == 2
    assert "checksum" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags", [["--no-such-flag", "1"], ["--recalculation", "exact"], ["--agent", "transformer"], ["--device", "tpu"]]
)
def test_what_the_parser_refuses_exits_2(flags):
    with pytest.raises(SystemExit) as stop:
        main(["train", *flags])
    assert stop.value.code == 2


def test_a_failing_writer_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    run = tmp_path / "run"
    train(run, "--agent", "none")
    agent, _, _ = load_agent(run)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint, "write_json", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(run, agent, read_options(run), 999, {}, best=True)
    assert load_agent(run)[2] == 320
    assert (run / "checkpoints" / "best").read_text() == "step_000000320\n"


def test_saving_a_step_again_replaces_it_whole_or_not_at_all(tmp_path, monkeypatch):
    run = tmp_path / "run"
    train(run, "--agent", "none")
    agent, options, _ = load_agent(run)
    monkeypatch.setattr(checkpoint, "write_json", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        checkpoint.save(run, agent, options, 320, {}, best=True)
    assert load_agent(run)[2] == 320
    monkeypatch.undo()
    with torch.no_grad():
        next(agent.parameters()).fill_(7.0)
    checkpoint.save(run, agent, options, 320, {}, best=True)
    again, _, _ = load_agent(run)
    assert (next(again.parameters()) == 7.0).all()
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["best", "latest", "step_000000320"]


def test_a_rename_that_fails_brings_the_earlier_checkpoint_back(tmp_path, monkeypatch):
    run = tmp_path / "run"
    train(run, "--agent", "none")
    (agent, options, _), rename = load_agent(run), checkpoint.os.replace

    def fail(source, target):
        if str(source).endswith(".partial") and target.name.startswith("step_"):
            raise OSError("disk full")
        rename(source, target)

    monkeypatch.setattr(checkpoint.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(run, agent, options, 320, {}, best=True)
    assert load_agent(run)[2] == 320


def test_a_manifest_tells_all_that_made_the_weights(tmp_path):
    run = tmp_path / "run"
    train(run)
    manifest = json.loads((run / "checkpoints" / "step_000000320" / "manifest.json").read_text())
    assert RunOptions.from_json(manifest["config"]) == read_options(run)
    assert manifest["step"] == 320 and manifest["evaluation"]["greedy"]["episodes"] == 4
    assert manifest["versions"]["torch"] == version("torch")


def test_the_best_checkpoint_is_that_of_the_best_evaluation(tmp_path, monkeypatch):
    scores = iter([-9.0, -5.0, -7.0, -8.0])

    def scripted(agent, options, episodes, seed, greedy):
        reward = next(scores) if greedy else 0.0
        return {"episodes": 4, "mean_reward": reward, "mean_ep_length": 1.0, "success_rate": None, "success_by_cue": {}}

    monkeypatch.setattr(reinstate.experiment.training, "evaluate", scripted)
    run = tmp_path / "run"
    train(run, "--agent", "none", "--eval-every", "64", steps=256)
    assert (run / "checkpoints" / "best").read_text() == "step_000000128\n"
    assert (run / "checkpoints" / "latest").read_text() == "step_000000256\n"


@pytest.mark.parametrize(("rates", "stops_at"), [({"0": 1.0, "1": 0.9}, 512), ({"0": 0.97, "1": 0.96}, 64)])
def test_training_stops_when_every_cue_succeeds(tmp_path, monkeypatch, rates, stops_at):
    calls = []

    def scripted(agent, options, episodes, seed, greedy):
        calls.append(greedy)
        mean = sum(rates.values()) / 2
        result = {"mean_reward": 0.0, "mean_ep_length": 1.0, "success_rate": mean, "success_by_cue": rates}
        return result | {"episodes": episodes}

    monkeypatch.setattr(reinstate.experiment.training, "evaluate", scripted)
    run = tmp_path / "run"
    train(run, "--agent", "none", "--stop-at-success", "0.95", "--eval-every", "64", steps=512)
    assert (run / "checkpoints" / "latest").read_text() == f"step_{stops_at:09d}\n"
    assert len(calls) == 2 * stops_at // 64  # the evaluation that stopped training is also the final one


def test_a_gradient_that_is_not_finite_is_told_and_saved_before(tmp_path, monkeypatch, capsys):
    def broken(*_):
        raise FloatingPointError("the gradient is not finite")

    monkeypatch.setattr(reinstate.experiment.training, "update", broken)
    assert train(tmp_path / "run", "--agent", "none") == 1
    assert "error: the gradient is not finite" in capsys.readouterr().err
    assert load_agent(tmp_path / "run")[2] == 64


def test_checkpoints_of_another_format_or_outside_the_run_are_refused(tmp_path, capsys):
    run = tmp_path / "run"
    train(run, "--agent", "none")
    assert main(["evaluate", str(run), "--checkpoint", "../checkpoints/step_000000320"]) == 2
    assert "no checkpoint" in capsys.readouterr().err
    path = run / "checkpoints" / "step_000000320" / "manifest.json"
    path.write_text(path.read_text().replace(f'"format": {FORMAT}', '"format": 99'))
    assert main(["evaluate", str(run)]) == 2
    assert "format 99" in capsys.readouterr().err


def test_runs_of_the_same_second_have_folders_of_their_own(tmp_path, monkeypatch):
    class Stopped(datetime.datetime):
        now = classmethod(lambda cls, zone: cls(2026, 1, 2, 3, 4, 5, tzinfo=zone))

    monkeypatch.setattr(run_folder.datetime, "datetime", Stopped)
    monkeypatch.chdir(tmp_path)
    for end in ("", "_2", "_3"):
        folder = run_folder.default_run_dir(RunOptions())
        assert folder.name == f"Reinstate-GridTMazeCrowdedPassive-v0__run__s1__20260102T030405Z{end}"
        run_folder.create(folder, RunOptions(), [])


def test_a_run_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["train", "--run-dir", str(tmp_path / "file" / "run")]) == 2
    assert "--run-dir" in capsys.readouterr().err


def test_options_survive_the_config_file():
    options = RunOptions(
        env_kwargs=("length=9",),
        stop_at_success=0.5,
        memory=MemoryOptions(slots=3),
        learning=LearningOptions(horizon=0.7),
    )
    assert RunOptions.from_json(json.loads(json.dumps(options.to_json()))) == options


def test_no_arguments_print_the_help(capsys):
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 0
    assert "train" in capsys.readouterr().out
