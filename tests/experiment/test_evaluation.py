"""Episodes are assigned ahead: long ones count as much as short ones."""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "agents"))
from counting_env import CountingEnvs

from reinstate.agents.baselines import MemorylessAgent
from reinstate.agents.chunk import EpisodeEnd
from reinstate.agents.encoders import ObservationSpec
from reinstate.experiment.evaluation import passes, play, quotas, summary


def test_no_bias_towards_short_episodes():
    torch.manual_seed(0)
    agent = MemorylessAgent(ObservationSpec("vector", (3,)), 2)
    ends = play(CountingEnvs([2, 50], [False, True]), agent, quotas(6, 2), seed=0, greedy=True, hold_growth=4.0)
    assert sorted((e.env, e.length) for e in ends) == [(0, 2)] * 3 + [(1, 50)] * 3


def test_quotas_add_up():
    for episodes, num_envs in ((1, 1), (7, 3), (200, 200), (5, 4)):
        shares = quotas(episodes, num_envs)
        assert shares.sum() == episodes and np.ptp(shares) <= 1


def test_success_is_that_of_the_episodes_that_tell_it():
    told = [(1.0, 2, True, 0), (0.0, 4, False, 1), (2.0, 6, None, 1), (1.0, 8, True, None)]
    found = summary([EpisodeEnd(*figures, env=0, at=9) for figures in told])
    assert found["episodes"] == 4 and found["mean_reward"] == 1.0 and found["mean_ep_length"] == 5.0
    assert found["success_rate"] == 2 / 3 and found["success_by_cue"] == {"0": 1.0, "1": 0.0}
    assert summary([EpisodeEnd(1.0, 2, None, 3, env=0, at=9)])["success_by_cue"] == {}


def test_a_threshold_must_be_reached_for_every_cue():
    assert passes({"success_rate": 0.99, "success_by_cue": {"0": 0.98, "1": 1.0}}, 0.98)
    assert not passes({"success_rate": 0.98, "success_by_cue": {"0": 0.96, "1": 1.0}}, 0.98)
    assert not passes({"success_rate": None, "success_by_cue": {}}, 0.0)
