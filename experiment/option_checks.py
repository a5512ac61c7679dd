"""Do options make sense, each by itself and together? If not, one sentence says what to do."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from reinstate.experiment.errors import UserError
from reinstate.experiment.options import RunOptions, flag_of

RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {  # what is wanted: whether a value is so, and of which options
    "at least 1": (
        lambda value: value >= 1,
        "num_envs total_timesteps eval_episodes torch_threads slots embedding_width heads write_every "
        "recalculated_codes code_bits codec_ring codec_updates chunk_steps epochs replayed_episodes episode_ring "
        "states_per_env",
    ),
    "at least 2: one may still be held": (lambda value: value >= 2, "chunk_decisions"),
    "at least 1, which decides at every step": (lambda value: value >= 1, "hold_growth"),
    "between 0 and 1": (
        lambda value: 0 <= value <= 1,
        "gae_lambda critic_lambda novel_share min_fidelity stop_at_success",
    ),
    "0 or more": (
        lambda value: value >= 0,
        "seed spread_steps eval_every save_every imitation_coef novelty_bonus final_learning_rate ent_coef "
        "final_ent_coef vf_coef",
    ),
    "greater than 0": (lambda value: value > 0, "target_step learning_rate horizon clip_coef max_grad_norm"),
}
EPISODIC = ("replayed_episodes", "episode_ring", "imitation_coef", "novelty_bonus")  # go by finished episodes
SENDS_NOTHING = ("refresh", "truncated", "none")  # ways of recalculation, to older slots


def check(options: RunOptions) -> None:
    """Raises UserError for values and pairs that make no sense; the sentence says the fix."""
    parts = (options, options.memory, options.learning)
    values = {f.name: getattr(part, f.name) for part in parts for f in dataclasses.fields(part)}
    defaults = {f.name: f.default for part in parts for f in dataclasses.fields(part)}
    check_ranges(values)
    check_what_is_read(options, {name for name in values if values[name] != defaults[name]})
    check_pairs(options)


def check_ranges(values: dict[str, Any]) -> None:
    """Every number by itself."""
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{flag_of(name)} is {value}; it must be a finite number")
    for wanted, (is_so, names) in RANGES.items():
        for name in names.split():
            if values[name] is not None and not is_so(values[name]):
                raise UserError(f"{flag_of(name)} is {values[name]}; it must be {wanted}")


def check_what_is_read(o: RunOptions, changed: set[str]) -> None:
    """No option is given that nothing reads; `changed` are those that are not at their defaults."""
    m = o.memory
    if o.learning.credit == "bootstrap" and (given := flags(EPISODIC, changed)):
        raise UserError(f"{given} need the slots of finished episodes: leave them out, or choose another --credit")
    of_memory = (*(f.name for f in dataclasses.fields(m)), *EPISODIC, "credit")
    if o.agent != "memory" and (given := flags(of_memory, changed)):
        raise UserError(f"{given} need the memory: leave them out, or choose --agent memory")
    idle = [
        ("hold_growth", o.agent == "lstm", f"--agent {o.agent}"),
        ("hold_growth", m.write_rule != "novel", f"--write-rule {m.write_rule}"),  # writes, and so decides, anyway
        ("states_per_env", o.agent == "lstm", f"--agent {o.agent}"),
        ("novel_share", o.agent != "memory", f"--agent {o.agent}"),
        ("recalculated_codes", m.recalculation in SENDS_NOTHING, f"--recalculation {m.recalculation}"),
    ]
    for name, nobody_reads, cause in idle:
        if nobody_reads and name in changed:
            raise UserError(f"{flag_of(name)} has no effect with {cause}: leave one of them out")
    if "write_every" in changed and m.write_rule != "every_k":
        raise UserError("--write-every is the k of --write-rule every_k: choose that rule, or leave it out")
    if "target_step" in changed and m.recalculation != "target":
        raise UserError("--target-step is the eta of --recalculation target: choose that, or leave it out")
    if m.check_cosine and m.recalculation in SENDS_NOTHING:
        raise UserError(
            f"--check-cosine compares what is sent to older slots, and --recalculation {m.recalculation} sends "
            "nothing there: choose direct, target or oracle, or leave it out"
        )


def check_pairs(o: RunOptions) -> None:
    """Numbers that go by each other."""
    if o.spread_steps * o.num_envs >= o.total_timesteps:
        raise UserError(
            f"--spread-steps {o.spread_steps} takes {o.spread_steps * o.num_envs} steps in all, and "
            f"--total-timesteps {o.total_timesteps} leaves none to learn from: lower --spread-steps or raise "
            "--total-timesteps"
        )
    if o.learning.replayed_episodes > o.learning.episode_ring:
        raise UserError(
            f"--replayed-episodes {o.learning.replayed_episodes} are more than the {o.learning.episode_ring} of "
            "--episode-ring: raise that, or lower them"
        )
    if o.learning.credit == "transport" and o.learning.horizon >= 1:
        raise UserError(
            f"--credit transport carries value further back than --horizon {o.learning.horizon}, and no episode is "
            "that long: choose a horizon well below 1, such as 0.2"
        )


def flags(names: tuple[str, ...], changed: set[str]) -> str:
    """Those of `names` that are in `changed`, as flags."""
    return ", ".join(flag_of(name) for name in names if name in changed)
