"""Going on with a run: which options may change, and whether there is anything left to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reinstate.experiment import checkpoint, files, run_folder
from reinstate.experiment.errors import UserError
from reinstate.experiment.option_values import flag_of
from reinstate.experiment.options import RunOptions, parse_env_kwargs

MAY_CHANGE = (
    "total_timesteps eval_every eval_episodes eval_max_steps stop_at_success stop_at_return save_every save_minutes "
    "keep_checkpoints torch_threads"
).split()
ANYWHERE = (
    "run_dir",
    "name",
    "device",
    "resume",
    "trust",
    "start_from",
)  # say where a run is and how it began, not what it does


def options_of(folder: Path, trust: bool | str) -> RunOptions:
    """The options of a run that shall go on; raises UserError where its environment's module is not trusted."""
    earlier = run_folder.read_options(folder)
    check_trust(folder, earlier, trust)
    return dataclasses.replace(earlier, run_dir=str(folder), resume=None, trust=False)


def check_same(folder: Path, options: RunOptions) -> None:
    """Raises UserError where the run in `folder` has other options than these, apart from those that may change."""
    earlier = run_folder.read_options(folder)
    for name, there, here in differences(earlier.flat(), options.flat()):
        raise UserError(
            f"{folder} holds a run with {flag_of(name)} {shown(there)}, and here it is {shown(here)}: leave it out, or "
            f"choose another --run-dir. What may change is {', '.join(map(flag_of, MAY_CHANGE))}"
        )


def check_manifest(folder: Path, options: RunOptions, manifest: Mapping[str, Any]) -> None:
    """Raises UserError where config.json is not that of a checkpoint."""
    try:
        saved = RunOptions.from_json(manifest.get("options"))
    except UserError as error:
        raise UserError(f"the options in a manifest of {folder} are not right: {error}") from error
    for name, there, here in differences(saved.flat(), options.flat()):
        raise UserError(
            f"{folder / 'config.json'} is not that of the checkpoint: {flag_of(name)} is {shown(here)}, and the "
            f"checkpoint was written with {shown(there)}"
        )


def check_trust(folder: Path, earlier: RunOptions, trust: bool | str) -> None:
    """Raises UserError where a run names a module that would be imported, and the user has not said that it may.

    Args:
        trust: True, or the id of the run's environment, named by the user.
    """
    module, colon, _ = earlier.env.rpartition(":")
    if colon and trust is not True and trust != earlier.env:
        raise UserError(
            f"{folder} was trained on {earlier.env}, and using it imports the module {module!r}: if you trust it, add "
            f"--trust or --env {earlier.env}"
        )


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Names and values of the options that differ and may not."""
    fixed = [name for name in there if name not in (*MAY_CHANGE, *ANYWHERE)]
    plain = {"env_kwargs": parse_env_kwargs}
    return [
        (name, there[name], here[name])
        for name in fixed
        if plain.get(name, identity)(there[name]) != plain.get(name, identity)(here[name])
    ]


def identity(value: Any) -> Any:
    """The value itself."""
    return value


def shown(value: Any) -> str:
    """An option's value as the command line has it."""
    return (" ".join(value) or "nothing") if isinstance(value, tuple) else str(value)


def finished(folder: Path, options: RunOptions) -> int | None:
    """The step at which the run has ended, where these options give it nothing more to do."""
    final, earlier, now = folder / "eval" / "final.json", run_folder.read_options(folder).flat(), options.flat()
    if not final.is_file() or any(earlier[name] != now[name] for name in MAY_CHANGE):
        return None
    results = files.json_of(files.read(final), final)
    if not isinstance(results, dict) or not isinstance(results.get("step"), int):
        raise UserError(f"{final} is damaged: remove it, and the last evaluation is made again")
    step: int = results["step"]
    return step if checkpoint.pointed(folder, "latest") == checkpoint.name_of(step) else None
