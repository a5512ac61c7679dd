"""The command `reinstate`: train, evaluate, inspect, play and bench."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro

from reinstate.envs.errors import EnvError
from reinstate.experiment.bench import BenchOptions, bench
from reinstate.experiment.errors import UserError
from reinstate.experiment.evaluation import evaluate
from reinstate.experiment.inspection import InspectOptions, inspect
from reinstate.experiment.options import RunOptions
from reinstate.experiment.play import PlayOptions, play
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


def evaluate_run(options: EvaluateOptions) -> int:
    """Evaluates and prints the results; returns the exit code."""
    if options.episodes < 1 or options.seed < 0:
        raise UserError("--episodes must be at least 1 and --seed not negative")
    agent, trained, step = load_agent(options.run, options.checkpoint, options.env_kwargs)
    torch.set_num_threads(trained.torch_threads)
    kinds = {"sampled": False} if options.stochastic else {"greedy": True, "sampled": False}
    results = {kind: evaluate(agent, trained, options.episodes, options.seed, greedy) for kind, greedy in kinds.items()}
    print_results(results)
    if options.json:
        print(json.dumps({"run": str(Path(options.run)), "step": step, "seed": options.seed, **results}))
    return 0


Command = (
    Annotated[RunOptions, tyro.conf.subcommand("train", description="Train an agent.")]
    | Annotated[EvaluateOptions, tyro.conf.subcommand("evaluate", description="Evaluate a trained run.")]
    | Annotated[InspectOptions, tyro.conf.subcommand("inspect", description="Show what a trained agent remembers.")]
    | Annotated[PlayOptions, tyro.conf.subcommand("play", description="Play an environment by keyboard.")]
    | Annotated[BenchOptions, tyro.conf.subcommand("bench", description="Run a benchmark.")]
)


def parse(argv: list[str]) -> RunOptions | EvaluateOptions | InspectOptions | PlayOptions | BenchOptions:
    """The options of a command; prints the help or a message and exits where the words are not understood."""
    return tyro.cli(
        Command,
        prog="reinstate",
        args=argv or ["--help"],
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )


def main(argv: list[str] | None = None) -> int:
    """The console script; returns the exit code: 2 for bad input, 1 where learning broke down or an environment
    failed, 130 after Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    options = parse(argv)
    try:
        if isinstance(options, EvaluateOptions):
            return evaluate_run(options)
        if isinstance(options, InspectOptions):
            return inspect(options)
        if isinstance(options, PlayOptions):
            return play(options)
        if isinstance(options, BenchOptions):
            return bench(argv[1:])
        train(options, ["reinstate", *argv])
        return 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (FloatingPointError, EnvError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
