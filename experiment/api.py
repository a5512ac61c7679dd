"""Training from Python: `reinstate.train(env, slots=16, ...)` is the command `reinstate train`."""

from __future__ import annotations

from pathlib import Path

from reinstate.experiment import training
from reinstate.experiment.option_values import flag_of
from reinstate.experiment.options import RunOptions
from reinstate.experiment.resume import options_of


def train(env: str | None = None, *, resume: str | Path | None = None, trust: bool = False, **options: object) -> Path:
    """Trains an agent, as the command `reinstate train` does, and prints what that prints.

    Args:
        env: the environment's id; the default is that of the command.
        resume: folder of a run that goes on, with its own options.
        trust: with `resume`, import the module that the run's environment names. Naming the environment does so, too.
        **options: those of `reinstate train --help`, with underscores: num_envs=64, slots=16. `env_kwargs` is a dict
            or a list of "name=value".

    Returns:
        The run folder.

    Raises:
        UserError: an option is unknown, or options make no sense.
        FloatingPointError: learning broke down; the run folder has the parameters before that.
        EnvError: an environment failed; the run folder has what was learnt until then.
        RunError: the run folder could not be written.
        KeyboardInterrupt: Ctrl-C or another signal; all is saved, and `resume` goes on.
    """
    given = options if env is None else {"env": env, **options}
    earlier = {} if resume is None else options_of(Path(resume), trust or env or False).flat()
    run = RunOptions.of(earlier | given)
    return training.train(run, command_of(run))


def command_of(options: RunOptions) -> list[str]:
    """The words of the command `reinstate train` with these options; defaults are left out."""
    command = ["reinstate", "train"]
    for name, value in options.changed().items():
        flag = flag_of(name)
        if isinstance(value, bool):
            command.append(flag if value else flag.replace("--", "--no-", 1))
        else:
            command += [flag, *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    return command
