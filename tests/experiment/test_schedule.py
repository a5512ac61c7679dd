"""When a run logs, saves and evaluates, in numbers worked out by hand."""

import math

from reinstate.experiment.options import RunOptions
from reinstate.experiment.schedule import LOG_EVERY, Schedule

SUCCESS, RETURN = "rollout/success_rate", "rollout/ep_rew_mean"


def test_what_is_due_when():
    options = RunOptions(eval_every=1000, save_every=300)
    schedule = Schedule.begin(options)
    assert [schedule.save_due(step, options) for step in (299, 310, 600, 610)] == [False, True, False, True]
    assert [schedule.log_due(step) for step in (LOG_EVERY - 1, LOG_EVERY, LOG_EVERY + 1)] == [False, True, False]
    assert [schedule.evaluation_due(step, options, 0, {}) for step in (999, 1000)] == [False, True]
    schedule.evaluated(1050, options, played=0.0)
    assert [schedule.evaluation_due(step, options, 0, {}) for step in (2049, 2050)] == [False, True]


def test_nothing_is_due_where_it_is_turned_off():
    options = RunOptions(eval_every=0)
    schedule = Schedule.begin(options)
    assert not schedule.save_due(10**9, options) and not schedule.evaluation_due(10**9, options, 400, {SUCCESS: 1.0})


def test_an_evaluation_comes_early_where_training_episodes_succeed():
    options = RunOptions(eval_every=0, stop_at_success=0.98)
    schedule = Schedule.begin(options)
    assert schedule.evaluation_due(1, options, episodes=100, rollout={SUCCESS: 0.96})
    assert not schedule.evaluation_due(1, options, episodes=99, rollout={SUCCESS: 1.0})
    assert not schedule.evaluation_due(1, options, episodes=400, rollout={SUCCESS: 0.95})
    assert not schedule.evaluation_due(1, options, episodes=400, rollout={RETURN: 1.0})
    schedule.evaluated(10, options, played=3.0 * LOG_EVERY)  # the next is not earlier than these steps
    due = [
        schedule.evaluation_due(step, options, 400, {SUCCESS: 1.0}) for step in (3 * LOG_EVERY + 9, 3 * LOG_EVERY + 10)
    ]
    assert due == [False, True]


def test_an_evaluation_comes_early_where_the_return_is_near():
    for threshold, near, far in ((100.0, 98.0, 97.9), (-100.0, -102.0, -102.1), (0.0, 0.0, -0.01)):
        options = RunOptions(eval_every=0, stop_at_return=threshold)
        schedule = Schedule.begin(options)
        assert schedule.evaluation_due(1, options, episodes=100, rollout={RETURN: near})
        assert not schedule.evaluation_due(1, options, episodes=100, rollout={RETURN: far})
        assert not schedule.evaluation_due(1, options, episodes=100, rollout={})


def test_the_best_evaluation_and_the_state():
    schedule = Schedule.begin(RunOptions())
    assert schedule.best == -math.inf
    assert [schedule.is_best(score) for score in (0.2, 0.2, 0.5, 0.4)] == [True, False, True, False]
    again = Schedule.begin(RunOptions())
    again.load_state_dict(schedule.state_dict())
    assert again == schedule
