"""`reinstate train` and `reinstate evaluate`: tiny runs through the real command line."""

import json

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import reinstate.experiment.training
from reinstate.experiment.cli import main
from reinstate.experiment.trained import load_agent

FILES = "config.json command.txt versions.json constants.json metrics.jsonl monitor.csv eval/final.json".split()


def weights(folder):
    (found,) = (folder / "checkpoints").glob("step_*/agent.safetensors")
    return load_file(found)


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def evaluated(capsys, run, *flags):
    assert main(["evaluate", str(run), "--json", *flags]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize(
    ("env", "length", "flags"),
    [
        ("Reinstate/GridTMazeActive-v0", 4, []),
        ("Reinstate/TMazePassive-v0", 4, ["--recalculation", "refresh"]),
        ("Reinstate/TMazeActive-v0", 4, ["--agent", "lstm"]),
        ("Reinstate/TMazePassive-v0", 4, ["--agent", "gru"]),
        ("CartPole-v1", None, ["--agent", "none"]),
        ("CartPole-v1", None, []),
        ("Reinstate/KeyToDoor-v0", None, ["--env-kwargs", "delay=0"]),
        ("Reinstate/VisualMatchPassive-v0", None, ["--agent", "lstm", "--env-kwargs", "delay=0"]),
        ("Reinstate/GridTMazePassive-v0", None, ["--check-cosine", "--env-kwargs", "length=4", "observation=pixels"]),
        ("Reinstate/GridTMazePassive-v0", None, ["--agent", "none", "--env-kwargs", "length=4", "observation=pixels"]),
        ("Reinstate/TMazePassive-v0", 4, ["--write-rule", "always", "--eviction", "similar", "--slots", "3"]),
        ("MiniGrid-MemoryS7-v0", None, []),
    ],
)
def test_train_and_evaluate(train, tmp_path, capsys, env, length, flags):
    run = tmp_path / "run"
    assert train(run, *flags, env=env, length=length) == 0
    printed = capsys.readouterr().out
    assert "seed 1" in printed and f"tensorboard --logdir {run}" in printed and f"reinstate evaluate {run}" in printed
    assert all((run / name).is_file() for name in FILES)
    result = evaluated(capsys, run, "--episodes", "5", "--seed", "3")
    assert result["greedy"]["episodes"] == result["sampled"]["episodes"] == 5


def test_evaluation_is_reproducible_and_its_seed_matters(train, tmp_path, capsys):
    run = tmp_path / "run"
    train(run, "--agent", "none", env="CartPole-v1", length=None)  # the lengths of its episodes differ
    capsys.readouterr()
    lines = []
    for seed in ("3", "3", "4"):
        result = evaluated(capsys, run, "--episodes", "5", "--seed", seed, "--stochastic")
        assert "greedy" not in result
        lines.append(result["sampled"])
    assert lines[0] == lines[1] != lines[2]


def test_evaluate_on_another_length(memoryless_run, capsys):
    result = evaluated(capsys, memoryless_run, "--episodes", "3", "--env-kwargs", "length=9")
    assert result["greedy"]["mean_ep_length"] == 10.0


def test_same_seed_same_parameters(train, memory_run, tmp_path):
    for name, seed in (("again", "1"), ("other", "2")):
        train(tmp_path / name, "--seed", seed, env="Reinstate/GridTMazePassive-v0", steps=320)
    assert equal(weights(memory_run), weights(tmp_path / "again"))
    assert not equal(weights(memory_run), weights(tmp_path / "other"))


def test_tensorboard_tags(train, tmp_path):
    run = tmp_path / "run"
    train(run, "--check-cosine")
    events = EventAccumulator(str(run))
    events.Reload()
    expected = set(
        "time/fps rollout/ep_rew_mean rollout/ep_len_mean rollout/success_rate train/policy_loss train/value_loss "
        "train/entropy train/approx_kl train/clip_fraction train/explained_variance train/learning_rate "
        "train/grad_norm eval/mean_reward eval/success_rate eval/mean_ep_length eval_sampled/success_rate "
        "memory/slots_used memory/writes_per_step memory/read_entropy memory/read_age memory/bytes_per_slot "
        "codec/fidelity codec/version codec/frames "
        "recalculation/codes recalculation/share recalculation/drift recalculation/gradient "
        "recalculation/cosine".split()
    )
    assert expected - set(events.Tags()["scalars"]) == set()
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()][-1] == 128


def test_the_best_checkpoint_is_that_of_the_best_evaluation(train, tmp_path, monkeypatch):
    scores = iter([-9.0, -5.0, -7.0, -8.0])

    def scripted(agent, options, episodes, seed, greedy):
        reward = next(scores) if greedy else 0.0
        result = {"mean_reward": reward, "mean_ep_length": 1.0, "success_rate": None, "success_by_cue": {}}
        return result | {"episodes": 4, "cut": 0, "max_steps": None}

    monkeypatch.setattr(reinstate.experiment.training, "evaluate", scripted)
    run = tmp_path / "run"
    train(run, "--agent", "none", "--eval-every", "64", steps=256)
    assert (run / "checkpoints" / "best").read_text() == "step_000000128\n"
    assert (run / "checkpoints" / "latest").read_text() == "step_000000256\n"


@pytest.mark.parametrize(("rates", "stops_at"), [({"0": 1.0, "1": 0.9}, 512), ({"0": 0.97, "1": 0.96}, 64)])
def test_training_stops_when_every_cue_succeeds(train, tmp_path, monkeypatch, rates, stops_at):
    calls = []

    def scripted(agent, options, episodes, seed, greedy):
        calls.append(greedy)
        mean = sum(rates.values()) / 2
        result = {"mean_reward": 0.0, "mean_ep_length": 1.0, "success_rate": mean, "success_by_cue": rates}
        return result | {"episodes": episodes, "cut": 0, "max_steps": None}

    monkeypatch.setattr(reinstate.experiment.training, "evaluate", scripted)
    run = tmp_path / "run"
    train(run, "--agent", "none", "--stop-at-success", "0.95", "--eval-every", "64", steps=512)
    assert (run / "checkpoints" / "latest").read_text() == f"step_{stops_at:09d}\n"
    assert len(calls) == 2 * stops_at // 64  # the evaluation that stopped training is also the final one


def test_training_stops_at_a_return(train, tmp_path, capsys):
    flags = "--agent none --eval-every 64 --stop-at-return".split()
    assert train(tmp_path / "stops", *flags, "1", env="CartPole-v1", length=None) == 0
    assert train(tmp_path / "goes on", *flags, "501", env="CartPole-v1", length=None) == 0
    assert (tmp_path / "stops" / "checkpoints" / "latest").read_text() == "step_000000064\n"
    assert (tmp_path / "goes on" / "checkpoints" / "latest").read_text() == "step_000000128\n"


def test_success_that_is_never_reported_is_said_once(train, tmp_path, capsys):
    flags = "--agent none --stop-at-success 0.9".split()
    assert train(tmp_path / "run", *flags, env="CartPole-v1", length=None, steps=512) == 0
    said = "warning: CartPole-v1 reports no success, so --stop-at-success has no effect: use --stop-at-return\n"
    assert capsys.readouterr().out.count(said) == 1
    assert train(tmp_path / "other", *flags, steps=512) == 0
    assert "warning" not in capsys.readouterr().out


def test_a_line_now_and_then_where_there_is_no_progress_bar(train, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reinstate.experiment.training, "LINE_EVERY", 0.0)
    monkeypatch.setattr(reinstate.experiment.schedule, "LOG_EVERY", 64)
    train(tmp_path / "run", "--agent", "none", "--save-every", "64")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert len(lines) == 2 and lines[0].startswith("step         64  success ") and lines[0].endswith(" steps/s")
    assert load_agent(tmp_path / "run", "step_000000064")[2] == 64


def test_no_arguments_print_the_help(capsys):
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 0
    assert "train" in capsys.readouterr().out
