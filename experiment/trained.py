"""The agent of a finished run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reinstate.agents.interface import Agent
from reinstate.experiment import checkpoint, run_folder
from reinstate.experiment.build import untrained
from reinstate.experiment.errors import UserError
from reinstate.experiment.options import RunOptions, pairs_of
from reinstate.experiment.resume import check_manifest, check_trust


def load_agent(
    run: str | Path,
    which: str = "latest",
    env_kwargs: Mapping[str, object] | Iterable[str] = (),
    trust: bool | str = False,
) -> tuple[Agent[Any], RunOptions, int]:
    """Builds the agent of the run in folder `run` and loads one of its checkpoints.

    Args:
        which: latest, best, or the name of a folder in checkpoints/.
        env_kwargs: keyword arguments of the environment, which replace the run's: {"length": 1000} or ["length=1000"].
        trust: True, or the id of the run's environment: the module that this id names is imported, if it names one.

    Returns:
        The agent; the run's options, with these keyword arguments; the environment steps that it has learnt from.

    Raises:
        UserError: no run, or no such checkpoint, is there, it is damaged or of another version, or the keyword
            arguments change what the agent sees or does.
    """
    folder, pairs = Path(run), pairs_of(env_kwargs)
    trained = run_folder.read_options(folder)
    check_trust(folder, trained, trust)
    place = checkpoint.find(folder, which)
    manifest = checkpoint.read_manifest(place)
    check_manifest(folder, trained, manifest)
    state = checkpoint.read_parts(place, manifest, ["agent"])["agent"]
    options = trained.with_env_kwargs(pairs) if pairs else trained
    agent = untrained(options)
    if pairs and checkpoint.shapes(agent.state_dict()) != checkpoint.shapes(state):
        raise UserError(
            f"with --env-kwargs {' '.join(pairs)} {options.env} has other observations or actions than {run} was "
            "trained on: leave out what changes them"
        )
    checkpoint.load_part(place, agent, "agent", state)
    return agent, options, int(manifest["step"])
