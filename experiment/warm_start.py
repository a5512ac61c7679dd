"""Warm start: beginning with the agent of an earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reinstate.agents.build import KINDS
from reinstate.agents.interface import Agent
from reinstate.experiment import checkpoint
from reinstate.experiment.errors import UserError
from reinstate.experiment.option_values import flag_of
from reinstate.experiment.options import RunOptions
from reinstate.experiment.run_folder import read_options

# Options of the memory that set the shapes of parameters.
WIDTHS = ("slots", "embedding_width", "heads", "compare", "code_bits")


def warm_start(agent: Agent[Any], options: RunOptions, earlier: Path) -> None:
    """Loads the last checkpoint of the run in folder `earlier` into `agent`, parameters and codec.

    All else begins anew: steps and schedules, Adam's averages, finished episodes, the codec's frames.

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
    state = checkpoint.read(earlier, ["agent"])["agent"]
    if checkpoint.shapes(state) != checkpoint.shapes(agent.state_dict()):
        raise UserError(
            f"--start-from {earlier}: {theirs.env} has other observations or actions than {options.env}, and its agent "
            "cannot play here: choose a run whose environment has the same ones"
        )
    agent.load_state_dict(state)
