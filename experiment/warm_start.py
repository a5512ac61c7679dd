"""Warm start: beginning with the agent of an earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reinstate.agents.build import KINDS
from reinstate.agents.interface import Agent
from reinstate.experiment import checkpoint
from reinstate.experiment.build import shapes, untrained
from reinstate.experiment.errors import UserError
from reinstate.experiment.option_values import flag_of
from reinstate.experiment.options import RunOptions
from reinstate.experiment.run_folder import read_options

# Options of the memory that set the shapes of parameters.
WIDTHS = ("slots", "embedding_width", "heads", "compare", "code_bits")


def warm_start(agent: Agent[Any], options: RunOptions, earlier: Path) -> None:
    """Loads the last checkpoint of the run in folder `earlier` into `agent`, parameters and codec.

    Adam's averages, synthetic returns, the finished episodes and the codec's frames are not in a checkpoint: they begin
    anew, as do steps and schedules.

    Raises:
        UserError: that agent has other parts, or its environment other observations or actions.
    """
    theirs = read_options(earlier)
    pairs = {"agent": (theirs.agent, options.agent)}
    if KINDS[options.agent].has_slots:
        pairs |= {name: (getattr(theirs.memory, name), getattr(options.memory, name)) for name in WIDTHS}
    for name, (there, here) in pairs.items():
        if there != here:
            raise UserError(
                f"--start-from {earlier}: {flag_of(name)} is {there} there and {here} here: give this run the same"
            )
    if shapes(untrained(theirs)) != shapes(agent):
        raise UserError(
            f"--start-from {earlier}: {theirs.env} has other observations or actions than {options.env}, and its agent "
            "cannot play here: choose a run whose environment has the same ones"
        )
    checkpoint.load(earlier, {"agent": agent})
