"""Beginning with the agent of an earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reinstate.experiment import checkpoint
from reinstate.experiment.build import untrained
from reinstate.experiment.errors import UserError
from reinstate.experiment.options import RunOptions, flag_of
from reinstate.experiment.run_folder import read_options

# Of the memory: what its parameters are made for.
WIDTHS = ("slots", "embedding_width", "heads", "compare", "code_bits")


def take_over(agent: Any, options: RunOptions, earlier: Path) -> None:
    """Loads the last checkpoint of the run in folder `earlier` into `agent`, parameters and codec.

    Adam's averages, synthetic returns, the finished episodes and the codec's frames are not in a checkpoint: they begin
    anew, as do steps and schedules.

    Raises UserError where that agent is made of something else, or for something else.
    """
    theirs = read_options(earlier)
    pairs = {"agent": (theirs.agent, options.agent)}
    if options.agent == "memory":
        pairs |= {name: (getattr(theirs.memory, name), getattr(options.memory, name)) for name in WIDTHS}
    for name, (there, here) in pairs.items():
        if there != here:
            raise UserError(
                f"--start-from {earlier}: {flag_of(name)} is {there} there and {here} here: give this run the same"
            )
    if checkpoint.shapes(untrained(theirs)) != checkpoint.shapes(agent):
        raise UserError(
            f"--start-from {earlier}: {theirs.env} has other observations or actions than {options.env}, and its agent "
            "cannot play here: choose a run whose environment has the same ones"
        )
    checkpoint.load(earlier, agent)
