"""The command `reinstate`: train, evaluate, inspect, play and bench."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro

from reinstate.envs.errors import EnvError
from reinstate.envs.naming import suggest
from reinstate.experiment.bench import BenchOptions, bench
from reinstate.experiment.errors import RunError, UserError
from reinstate.experiment.evaluation import evaluate
from reinstate.experiment.inspection import InspectOptions, inspect
from reinstate.experiment.option_values import WHOLE_NUMBERS, check_ranges
from reinstate.experiment.options import RunOptions
from reinstate.experiment.play import PlayOptions, play
from reinstate.experiment.resume import options_of
from reinstate.experiment.signals import Stopped
from reinstate.experiment.standard_streams import guarded
from reinstate.experiment.trained import load_agent
from reinstate.experiment.training import print_results, train


@dataclass(frozen=True)
class EvaluateOptions:
    """Evaluate a trained run."""

    run: tyro.conf.Positional[str]
    """Folder of the run."""
    episodes: int = 200
    """Episodes, greedy and sampled each."""
    seed: int = 0
    """Seed of the episodes; training never sees them."""
    stochastic: bool = False
    """Only the sampled policy."""
    json: bool = False
    """JSON on the last line."""
    checkpoint: str = "latest"
    """latest, best, or a folder's name in checkpoints/."""
    env_kwargs: tuple[str, ...] = ()
    """Keyword arguments that replace the run's, such as length=1000."""
    eval_max_steps: int | None = None
    """Steps after which an episode is cut; by default as in the run."""
    env: str | None = None
    """Id of the run's environment, where it names a module: the module is then imported."""
    trust: bool = False
    """Import the module that the run's environment names."""


def evaluate_run(options: EvaluateOptions) -> int:
    """Evaluates and prints the results; returns the exit code."""
    check_ranges({"eval_max_steps": options.eval_max_steps, "episodes": options.episodes, "seed": options.seed})
    agent, trained, step = load_agent(
        options.run, options.checkpoint, options.env_kwargs, options.trust or options.env or False
    )
    if options.eval_max_steps is not None:
        trained = dataclasses.replace(trained, eval_max_steps=options.eval_max_steps)
    torch.set_num_threads(trained.torch_threads)
    kinds = {"sampled": False} if options.stochastic else {"greedy": True, "sampled": False}
    results = {kind: evaluate(agent, trained, options.episodes, options.seed, greedy) for kind, greedy in kinds.items()}
    print_results(results, print)
    if options.json:
        print(json.dumps({"run": str(Path(options.run)), "step": step, "seed": options.seed, **results}))
    return 0


COMMANDS = ("train", "evaluate", "inspect", "play", "bench")
Command = (
    Annotated[RunOptions, tyro.conf.subcommand("train", description="Train an agent.")]
    | Annotated[EvaluateOptions, tyro.conf.subcommand("evaluate", description="Evaluate a trained run.")]
    | Annotated[InspectOptions, tyro.conf.subcommand("inspect", description="Show what a trained agent remembers.")]
    | Annotated[PlayOptions, tyro.conf.subcommand("play", description="Play an environment by keyboard.")]
    | Annotated[BenchOptions, tyro.conf.subcommand("bench", description="Run a benchmark.")]
)


def parse(argv: list[str]) -> RunOptions | EvaluateOptions | InspectOptions | PlayOptions | BenchOptions:
    """The options of a command; prints the help or a message and exits where the words are not understood."""
    config = (tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes)
    with WHOLE_NUMBERS:
        if argv[:1] == ["train"] and (folder := value_of(argv, "--resume")) is not None:
            earlier = options_of(Path(folder), trust="--trust" in argv or value_of(argv, "--env") or False)
            given = tyro.cli(RunOptions, prog="reinstate train", args=argv[1:], default=earlier, config=config)
            if given.run_dir != earlier.run_dir:
                raise UserError("--resume names the run's folder: leave --run-dir out")
            return dataclasses.replace(given, resume=None, trust=False)
        return tyro.cli(Command, prog="reinstate", args=argv or ["--help"], config=config)


def value_of(words: list[str], flag: str) -> str | None:
    """The word after a flag, or after its sign of equality.

    >>> value_of(["--env", "a"], "--env"), value_of(["--env=b"], "--env"), value_of(["--env"], "--env")
    ('a', 'b', None)
    """
    for word, following in zip(words, [*words[1:], None], strict=True):
        if word == flag:
            return following
        if word.startswith(flag + "="):
            return word.removeprefix(flag + "=")
    return None


def main(argv: list[str] | None = None) -> int:
    """The console script; returns the exit code: 2 for bad input, 1 where learning broke down, 130 after Ctrl-C."""
    words = sys.argv[1:] if argv is None else argv
    return guarded(lambda: run(words))


def run(words: list[str]) -> int:
    """Does what the words of a command say; returns the exit code."""
    try:
        check_command(words)
        options = parse(words)
        if isinstance(options, EvaluateOptions):
            return evaluate_run(options)
        if isinstance(options, InspectOptions):
            return inspect(options)
        if isinstance(options, PlayOptions):
            return play(options)
        if isinstance(options, BenchOptions):
            return bench(words[1:])
        train(options, ["reinstate", *words])
        return 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (FloatingPointError, EnvError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Stopped as stop:
        return stop.exit_code
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):  # torch's words
            raise
        print(
            "error: this machine has too little memory: lower --num-envs, --slots, --replay-size or --env-kwargs",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 130


def check_command(words: list[str]) -> None:
    """Raises UserError where the first word is no command."""
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        near = suggest(words[0], COMMANDS)
        raise UserError(f"there is no command {words[0]!r}.{near} There are: {', '.join(COMMANDS)}")


if __name__ == "__main__":
    sys.exit(main())
