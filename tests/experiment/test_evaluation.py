"""Episodes are assigned ahead: long ones count as much as short ones."""

import gymnasium
import numpy as np
import pytest
import torch

from reinstate.agents.memoryless import MemorylessAgent
from reinstate.agents.networks import ObservationSpec
from reinstate.agents.rollout import EpisodeEnd
from reinstate.envs.adapt import make_vector
from reinstate.experiment.cli import main
from reinstate.experiment.evaluation import (
    MOST_STEPS,
    cut_in_words,
    evaluate,
    passes,
    play,
    quotas,
    reaches,
    start_evaluating,
    step_limit,
    summary,
)
from reinstate.experiment.options import RunOptions
from tests.agents.counting_env import CountingEnvs


def test_no_bias_towards_short_episodes():
    torch.manual_seed(0)
    agent = MemorylessAgent(ObservationSpec("vector", (3,)), 2)
    envs = CountingEnvs([2, 50], [False, True])
    ends = play(envs, agent, start_evaluating(envs, agent, RunOptions(), seed=0, greedy=True), quotas(6, 2))
    assert sorted((e.env, e.length) for e in ends) == [(0, 2)] * 3 + [(1, 50)] * 3


def test_quotas_add_up():
    for episodes, num_envs in ((1, 1), (7, 3), (200, 200), (5, 4)):
        shares = quotas(episodes, num_envs)
        assert shares.sum() == episodes and np.ptp(shares) <= 1


def test_success_is_that_of_the_episodes_that_report_it():
    reported = [(1.0, 2, True, 0), (0.0, 4, False, 1), (2.0, 6, None, 1), (1.0, 8, True, None)]
    found = summary([EpisodeEnd(*figures, env=0, at=9) for figures in reported])
    assert found["episodes"] == 4 and found["mean_reward"] == 1.0 and found["mean_ep_length"] == 5.0
    assert found["success_rate"] == 2 / 3 and found["success_by_cue"] == {"0": 1.0, "1": 0.0}
    assert summary([EpisodeEnd(1.0, 2, None, 3, env=0, at=9)])["success_by_cue"] == {}


def test_a_threshold_must_be_reached_for_every_cue():
    assert passes({"success_rate": 0.99, "success_by_cue": {"0": 0.98, "1": 1.0}}, 0.98)
    assert not passes({"success_rate": 0.98, "success_by_cue": {"0": 0.96, "1": 1.0}}, 0.98)
    assert not passes({"success_rate": None, "success_by_cue": {}}, 0.0)


def test_either_threshold_is_enough():
    result = summary([EpisodeEnd(3.0, 2, True, None, env=0, at=9), EpisodeEnd(5.0, 2, False, None, env=0, at=9)])
    assert reaches(result, RunOptions(stop_at_return=4.0)) and not reaches(result, RunOptions(stop_at_return=4.1))
    assert reaches(result, RunOptions(stop_at_success=0.5)) and not reaches(result, RunOptions(stop_at_success=0.6))
    assert reaches(result, RunOptions(stop_at_success=0.6, stop_at_return=4.0)) and not reaches(result, RunOptions())


class Wall(gymnasium.Env):
    """Action 1 ends the episode, action 0 never does: a greedy policy may stand at a wall for ever."""

    observation_space, action_space = gymnasium.spaces.Box(-1, 1, (2,)), gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, "float32"), {}

    def step(self, action):
        return np.zeros(2, "float32"), -1.0, action == 1, False, {"is_success": True} if action == 1 else {}


gymnasium.register("Wall-v0", Wall)
gymnasium.register("LimitedWall-v0", Wall, max_episode_steps=MOST_STEPS + 7)


def standing(actions: int) -> MemorylessAgent:
    """An agent whose greedy action is 0."""
    agent = MemorylessAgent(ObservationSpec("vector", (2,)), actions)
    torch.nn.init.zeros_(agent.heads.policy[-1].weight)
    with torch.no_grad():
        agent.heads.policy[-1].bias.copy_(torch.tensor([9.0, -9.0]))
    return agent


def test_an_evaluation_that_would_never_end_is_cut():
    options = RunOptions(env="Wall-v0", eval_max_steps=11)
    found = evaluate(standing(2), options, episodes=3)
    assert found["cut"] == found["episodes"] == 3 and found["max_steps"] == found["mean_ep_length"] == 11
    assert found["mean_reward"] == -11.0 and found["success_rate"] is None
    said = "6 of 6 evaluation episodes were cut after 11 steps: --eval-max-steps sets this"
    assert cut_in_words([found, found]) == said
    played = summary([EpisodeEnd(1.0, 2, True, 0, env=0, at=9)])
    assert played["cut"] == 0 and cut_in_words([played]) is None


@pytest.mark.parametrize(("env", "kwargs"), [("Wall-v0", {}), ("Reinstate/MemoryChain-v0", {"length": 30})])
def test_a_new_episode_follows_a_cut(env, kwargs):
    envs = make_vector(env, 2, kwargs)
    agent = MemorylessAgent(ObservationSpec("vector", envs.single_observation_space.shape), 2)
    c = start_evaluating(envs, agent, RunOptions(), seed=0, greedy=False)
    ends = play(envs, agent, c, quotas(6, 2), max_steps=7)
    assert len(ends) == 6 and any(e.cut for e in ends)
    assert (c.lengths < 7).all() and max(e.length for e in ends) <= 7
    envs.close()


def test_a_cut_episode_is_no_success():
    ends = [EpisodeEnd(1.0, 2, True, 0, env=0, at=9), EpisodeEnd(0.0, 5, None, None, env=0, at=9, cut=True)]
    assert summary(ends, 5)["success_rate"] == 0.5 and summary(ends, 5)["cut"] == 1


@pytest.mark.parametrize(
    ("env", "kwargs", "limit"),
    [
        ("Wall-v0", {}, MOST_STEPS),
        ("CliffWalking-v1", {}, MOST_STEPS),
        ("LimitedWall-v0", {}, None),
        ("CartPole-v1", {}, None),
        ("Reinstate/GridTMazePassive-v0", {"length": 1_000_000}, None),
        ("MiniGrid-Dynamic-Obstacles-5x5-v0", {}, None),
        ("MiniGrid-MemoryS7-v0", {}, None),
    ],
)
def test_only_what_may_never_end_is_cut(env, kwargs, limit):
    envs = make_vector(env, 2, kwargs)
    assert step_limit(envs, RunOptions(env=env)) == limit
    assert step_limit(envs, RunOptions(env=env, eval_max_steps=5)) == 5
    envs.close()


def test_a_time_limit_is_played_to():
    found = evaluate(standing(2), RunOptions(env="LimitedWall-v0"), episodes=1)
    assert found["mean_ep_length"] == MOST_STEPS + 7 and found["cut"] == 0 and found["max_steps"] is None


def test_train_and_evaluate_say_that_they_cut(train, tmp_path, capsys):
    run, flags = tmp_path / "run", ["--agent", "none", "--eval-max-steps", "9"]
    assert train(run, *flags, env="Wall-v0", length=None) == 0
    capsys.readouterr()
    assert main(["evaluate", str(run), "--episodes", "5", "--eval-max-steps", "1"]) == 0
    assert "of 10 evaluation episodes were cut after 1 steps: --eval-max-steps sets this" in capsys.readouterr().out
