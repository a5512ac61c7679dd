"""Checks of the options, one by one and together; each refusal is one sentence that says what to do."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable

from reinstate.agents.build import KINDS
from reinstate.experiment.errors import UserError
from reinstate.experiment.option_values import check_ranges, flag_of, shown
from reinstate.experiment.options import RunOptions
from reinstate.memory.options import MemoryOptions
from reinstate.memory.recalculation import MODES

OF_MEMORY = tuple(f.name for f in dataclasses.fields(MemoryOptions))
OF_FINISHED_EPISODES = ("replay_size", "replay_batch", "imitation_coef", "novelty_bonus")
LONGEST_NAME = 100  # characters: it is a part of a folder's name
# At least this much is allocated for each of these, whatever the environment and the agent.
ENV_BYTES, FRAME_BYTES, DECISION_BYTES = 2_000, 16, 26


def check(options: RunOptions) -> None:
    """Raises UserError for values and pairs that make no sense; the sentence says the fix."""
    check_ranges(options.flat())
    check_effects(options, set(options.changed()))
    check_pairs(options)
    check_memory(options)


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
    """Values that depend on each other, or on where they are used."""
    if "/" in o.name or len(o.name) > LONGEST_NAME:
        raise UserError(f"--name is {shown(o.name)}; it must have no / and at most {LONGEST_NAME} characters")
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


def check_memory(o: RunOptions) -> None:
    """Raises UserError where something surely does not fit this machine's memory: before it is allocated."""
    learning, slot = o.learning, 4 * o.memory.embedding_width  # bytes of a slot, of which the embedding is a part
    needed = {"--num-envs": o.num_envs * ENV_BYTES, "--codec-frames": o.memory.codec_frames * FRAME_BYTES}
    steps = min(learning.rollout_steps, o.total_timesteps // o.num_envs)
    needed["--num-envs times --rollout-steps"] = o.num_envs * steps * DECISION_BYTES
    needed["--num-envs times --slots"] = o.num_envs * o.memory.slots * slot
    needed["--replay-size times --slots"] = learning.replay_size * o.memory.slots * slot
    if not KINDS[o.agent].has_slots:
        needed = {what: size for what, size in needed.items() if what.startswith("--num-envs") and "slots" not in what}
    what, size = max(needed.items(), key=lambda item: item[1])
    there = machine_memory()
    if size > there:
        raise UserError(
            f"{what} would take at least {size / 2**30:,.0f} GiB, and this machine has {there / 2**30:,.0f} GiB of "
            "memory: choose less"
        )


def machine_memory() -> float:
    """Bytes of memory; infinite where they are not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on every system
        return math.inf
