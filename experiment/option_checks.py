"""Checks of the options, one by one and together; each refusal is one sentence that says what to do."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

from reinstate.agents.build import KINDS
from reinstate.experiment.errors import UserError
from reinstate.experiment.options import RunOptions, flag_of
from reinstate.memory.options import MemoryOptions
from reinstate.memory.recalculation import MODES

RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {  # what must hold: the test, and the options
    "at least 1": (
        lambda value: value >= 1,
        "num_envs total_timesteps eval_episodes torch_threads keep_checkpoints slots embedding_width heads recalculated_codes code_bits "
        "codec_frames codec_updates rollout_steps epochs replay_batch replay_size",
    ),
    "at least 2, as one may still be open": (lambda value: value >= 2, "rollout_decisions"),
    "between 0 and 1": (lambda value: 0 <= value <= 1, "gae_lambda critic_lambda min_fidelity stop_at_success"),
    "0 or more": (
        lambda value: value >= 0,
        "seed stagger_steps eval_every save_every save_minutes imitation_coef novelty_bonus final_learning_rate ent_coef "
        "final_ent_coef vf_coef",
    ),
    "greater than 0": (lambda value: value > 0, "target_step learning_rate horizon clip_coef max_grad_norm"),
}
OF_MEMORY = tuple(f.name for f in dataclasses.fields(MemoryOptions))
OF_FINISHED_EPISODES = ("replay_size", "replay_batch", "imitation_coef", "novelty_bonus")


def check(options: RunOptions) -> None:
    """Raises UserError for values and pairs that make no sense; the sentence says the fix."""
    check_ranges(options.flat())
    check_effects(options, set(options.changed()))
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


def check_effects(o: RunOptions, changed: set[str]) -> None:
    """Every option that is given has an effect; `changed` are those that are not at their defaults."""
    kind, mode = KINDS[o.agent], MODES[o.memory.recalculation]
    if not kind.has_slots:
        refuse((*OF_MEMORY, *OF_FINISHED_EPISODES, "credit"), changed, f"with --agent {o.agent}, which has no slots")
    if not kind.repeats:
        refuse(["action_repeat"], changed, f"with --agent {o.agent}, which decides at every step")
    if o.memory.write_rule == "always":
        refuse(["action_repeat"], changed, "with --write-rule always, which decides at every step")
    if o.learning.credit == "bootstrap":
        refuse(OF_FINISHED_EPISODES, changed, "with --credit bootstrap, which keeps no finished episodes")
    if not mode.sends:
        nothing = f"with --recalculation {o.memory.recalculation}, which sends nothing to older slots"
        refuse(["recalculated_codes", "check_cosine"], changed, nothing)
    if o.memory.recalculation != "target":
        refuse(["target_step"], changed, "without --recalculation target, whose eta it is")


def refuse(names: Iterable[str], changed: set[str], why: str) -> None:
    """Raises UserError where one of `names` is in `changed`."""
    given = [flag_of(name) for name in names if name in changed]
    if given:
        have, them = ("has", "it") if len(given) == 1 else ("have", "them")
        raise UserError(f"{', '.join(given)} {have} no effect {why}: leave {them} out")


def check_pairs(o: RunOptions) -> None:
    """Numbers that depend on each other."""
    if o.stagger_steps * o.num_envs >= o.total_timesteps:
        raise UserError(
            f"--stagger-steps {o.stagger_steps} takes {o.stagger_steps * o.num_envs} steps in all, and "
            f"--total-timesteps {o.total_timesteps} leaves none to learn from: lower --stagger-steps or raise "
            "--total-timesteps"
        )
    if o.learning.replay_batch > o.learning.replay_size:
        raise UserError(
            f"--replay-batch {o.learning.replay_batch} is more than the {o.learning.replay_size} of --replay-size: "
            "raise that, or lower it"
        )
