"""The averages of finished episodes say nothing before they can be right."""

import pytest

from reinstate.agents.rollout import EpisodeEnd
from reinstate.experiment.metrics import LATEST_START, Metrics


def end(env: int, success: bool | None = True, at: int = 9) -> EpisodeEnd:
    return EpisodeEnd(1.0, 3, success, None, env=env, at=at)


@pytest.fixture
def metrics(tmp_path):
    found = Metrics(tmp_path, {"num_envs": 3})
    found.open()
    yield found
    found.close()


def test_quick_episodes_alone_are_no_success_rate(metrics):
    assert metrics.rollout() == {} and metrics.line() == "0 of 3 environments have finished an episode"
    metrics.note_episodes([end(0), end(1), end(1), end(0)])
    assert metrics.rollout() == {} and metrics.line() == "2 of 3 environments have finished an episode"
    assert metrics.write(9) == {}
    metrics.note_episodes([end(2, success=False)])
    assert metrics.rollout()["rollout/success_rate"] == 0.8 and metrics.line() == "success 0.800  return 1.00"
    metrics.note_episodes([end(0)])
    assert metrics.rollout()["rollout/success_rate"] == pytest.approx(5 / 6)


def test_an_environment_that_never_ends_hides_the_others_only_for_a_while(metrics):
    metrics.note_episodes([end(0, None), end(1, None, at=LATEST_START - 1)])
    assert metrics.rollout() == {}
    metrics.note_episodes([end(1, None, at=LATEST_START)])
    assert metrics.rollout() == {"rollout/ep_rew_mean": 1.0, "rollout/ep_len_mean": 3.0}
    assert metrics.line() == "return 1.00  (1 of 3 environments have finished no episode)"


def test_who_has_not_finished_is_remembered(metrics, tmp_path):
    metrics.note_episodes([end(0), end(1)])
    state = metrics.state_dict()
    other = Metrics(tmp_path, {"num_envs": 3})
    other.load_state_dict(state)
    other.open()
    other.note_episodes([end(0)])
    assert other.rollout() == {}
    other.note_episodes([end(2)])
    assert other.rollout() != {}
