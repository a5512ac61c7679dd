"""When a run logs, evaluates, saves and stops: numbers that a resumed run must remember."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from reinstate.experiment.options import RunOptions

LOG_EVERY = 50_000  # environment steps
# With --stop-at-success or --stop-at-return an evaluation comes early once the success or the return of the last
# training episodes, at least EARLY_EPISODES, is this close to the threshold (of a return: this share of it): they are
# sampled, and a greedy policy does better.
EARLY_EVALUATION = 0.02
EARLY_EPISODES = 100


@dataclass
class Schedule:
    """The next step at which each thing is due."""

    log: int
    save: int
    evaluation: int
    earliest_evaluation: int = 0
    best: float = -math.inf  # score of the best evaluation so far

    @classmethod
    def begin(cls, options: RunOptions) -> Schedule:
        """At the start of a run."""
        return cls(LOG_EVERY, options.save_every, options.eval_every)

    def log_due(self, step: int) -> bool:
        """Whether to log at `step`; if so, sets the next time."""
        due = step >= self.log
        if due:
            self.log = step + LOG_EVERY
        return due

    def save_due(self, step: int, options: RunOptions) -> bool:
        """Whether to save at `step`; if so, sets the next time."""
        due = options.save_every > 0 and step >= self.save
        if due:
            self.save = step + options.save_every
        return due

    def evaluation_due(self, step: int, options: RunOptions, episodes: int, rollout: dict[str, float]) -> bool:
        """Whether to evaluate at `step`; `rollout` has the averages of the last `episodes` training episodes."""
        due = options.eval_every > 0 and step >= self.evaluation
        near = episodes >= EARLY_EPISODES and is_near(rollout, options)
        return due or (near and step >= self.earliest_evaluation)

    def evaluated(self, step: int, options: RunOptions, played: float) -> None:
        """An evaluation of `played` steps has ended. Episodes of a policy that has not learnt yet can be long: early
        evaluations take no more steps than the training between them."""
        self.evaluation = step + options.eval_every
        self.earliest_evaluation = step + max(LOG_EVERY, int(played))

    def is_best(self, score: float) -> bool:
        """Whether this evaluation is the best so far; if so, it is remembered."""
        if score <= self.best:
            return False
        self.best = score
        return True

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers by name."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        for f in fields(self):
            setattr(self, f.name, state[f.name])


def is_near(rollout: dict[str, float], options: RunOptions) -> bool:
    """Whether training episodes are nearly good enough to stop."""
    success, mean = options.stop_at_success, options.stop_at_return
    rate, paid = rollout.get("rollout/success_rate"), rollout.get("rollout/ep_rew_mean")
    return (success is not None and rate is not None and rate >= success - EARLY_EVALUATION) or (
        mean is not None and paid is not None and paid >= mean - EARLY_EVALUATION * abs(mean)
    )
