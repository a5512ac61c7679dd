"""Episodes are assigned ahead: long ones count as much as short ones."""

import numpy as np
import torch

from reinstate.agents.memoryless import MemorylessAgent
from reinstate.agents.networks import ObservationSpec
from reinstate.agents.rollout import EpisodeEnd
from reinstate.experiment.evaluation import passes, play, quotas, start_evaluating, summary
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
