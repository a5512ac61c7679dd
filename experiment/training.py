"""The command `reinstate train`: builds a run, trains, logs, evaluates and saves."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from reinstate.agents.interface import Agent
from reinstate.agents.memory_agent import MemoryAgent
from reinstate.experiment import checkpoint, run_folder
from reinstate.experiment.build import check_device, streams, untrained
from reinstate.experiment.evaluation import Evaluation, cut_in_words, evaluate, reaches
from reinstate.experiment.inspection import most_read, play_episode, slots_of
from reinstate.experiment.metrics import Metrics
from reinstate.experiment.option_checks import check
from reinstate.experiment.options import RunOptions
from reinstate.experiment.schedule import Schedule
from reinstate.experiment.trainer import Trainer
from reinstate.experiment.warm_start import warm_start

SHOWN = 8  # slots in a picture of the memory
LINE_EVERY = 10.0  # seconds between lines where there is no terminal


def train(options: RunOptions, command: list[str]) -> Path:
    """Trains, evaluates and saves; returns the run folder.

    Whatever ends the training early, what was learnt until then is saved first.

    Args:
        command: the words of the command, for the run folder.

    Raises:
        UserError: the options make no sense; nothing was written.
        FloatingPointError: learning broke down; what is saved are the parameters before that.
        KeyboardInterrupt: Ctrl-C.
    """
    check(options)
    check_device(options.device)
    torch.set_num_threads(options.torch_threads)
    agent = untrained(options)
    if options.start_from is not None:
        warm_start(agent, options, Path(options.start_from))
    folder = Path(options.run_dir) if options.run_dir else run_folder.default_run_dir(options)
    run_folder.create(folder, options, command)
    run = Run(options, folder, agent)
    try:
        run.learn()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            print(f"\ninterrupted at {run.trainer.steps_done} steps; saving", flush=True)
        run.finish(interrupted=True)
        raise
    finally:
        run.trainer.envs.close()
    run.finish(interrupted=False)
    return folder


class Run:
    """A trainer in its folder: logs, evaluates, saves."""

    def __init__(self, options: RunOptions, folder: Path, agent: Agent[Any]) -> None:
        self.options, self.folder, self.agent = options, folder, agent
        self.trainer = Trainer(options, agent)
        self.announce()
        self.metrics = Metrics(folder, options.flat())
        self.schedule = Schedule.begin(options)
        self.evaluation: dict[str, Evaluation] = {}
        self.evaluated_at = -1
        self.warned = False
        self.started = self.last_line = time.perf_counter()
        self.bar = tqdm(total=options.total_timesteps, unit="step", unit_scale=True, disable=not sys.stderr.isatty())

    def announce(self) -> None:
        """Prints what is about to run, what memory it takes, and how to watch it."""
        o = self.options
        print(f"environment {o.env} {' '.join(o.env_kwargs)}".rstrip())
        print(f"agent {o.agent}, seed {o.seed}, device cpu, {o.num_envs} environments")
        for line in self.trainer.describe():
            print(line)
        if o.start_from is not None:
            print(f"begins with the agent of {o.start_from}")
        print(f"run folder {self.folder}")
        print(f"watch it: tensorboard --logdir {self.folder}")
        print("the first run compiles the environments, which takes some seconds", flush=True)

    def learn(self) -> None:
        """Trains until `total_timesteps`, or until an evaluation reaches `stop_at_success`."""
        while self.trainer.steps_done < self.options.total_timesteps:
            log, episodes = self.trainer.step()
            self.metrics.note(log)
            self.metrics.note_episodes(episodes)
            if self.after_update():
                return

    def after_update(self) -> bool:
        """Logs, evaluates and saves, whichever is due; True where training must stop."""
        o, step = self.options, self.trainer.steps_done
        self.bar.update(step - self.bar.n)
        if self.schedule.log_due(step):
            self.log(step)
        stop = False
        rollout = self.metrics.rollout()
        self.warn_of_no_success(rollout)
        if self.schedule.evaluation_due(step, o, len(self.metrics.recent), rollout):
            found = self.evaluate(step)
            if cut := cut_in_words(found.values()):
                print(cut, flush=True)
            self.schedule.evaluated(step, o, sum(r["episodes"] * r["mean_ep_length"] for r in found.values()))
            stop = reaches(found["greedy"], o)
        if self.schedule.save_due(step, o) and not checkpoint.is_saved(self.folder, step):
            self.save(step)
        return stop

    def warn_of_no_success(self, rollout: dict[str, float]) -> None:
        """Says once that --stop-at-success waits for what is never reported."""
        if self.options.stop_at_success is None or self.warned or not rollout or "rollout/success_rate" in rollout:
            return
        self.warned = True
        print(
            f"warning: {self.options.env} reports no success, so --stop-at-success has no effect: use --stop-at-return",
            flush=True,
        )

    def log(self, step: int) -> None:
        """Writes the metrics; a line where there is no progress bar."""
        fps = self.fps(step)
        self.metrics.write(step, {"time/fps": fps})
        if self.bar.disable and time.perf_counter() - self.last_line >= LINE_EVERY:
            self.last_line = time.perf_counter()
            print(f"step {step:>10,}  {self.metrics.line()}  {fps:,.0f} steps/s", flush=True)

    def fps(self, step: int) -> float:
        """Environment steps a second since the start, evaluations included."""
        return step / (time.perf_counter() - self.started)

    def evaluate(self, step: int) -> dict[str, Evaluation]:
        """Greedy and sampled, on seeds of their own at every evaluation; the best so far is saved."""
        if step == self.evaluated_at:  # training has just stopped here
            return self.evaluation
        o, seed = self.options, streams(self.options.seed)["evaluation"] % 2**31 + step
        self.evaluation = {
            kind: evaluate(self.agent, o, o.eval_episodes, seed, greedy)
            for kind, greedy in (("greedy", True), ("sampled", False))
        }
        for tag, kind in (("eval", "greedy"), ("eval_sampled", "sampled")):
            r = self.evaluation[kind]
            self.metrics.note({f"{tag}/mean_reward": r["mean_reward"], f"{tag}/mean_ep_length": r["mean_ep_length"]})
            if r["success_rate"] is not None:
                self.metrics.note({f"{tag}/success_rate": r["success_rate"]})
        self.metrics.write(step, {"time/fps": self.fps(step)})
        if isinstance(self.agent, MemoryAgent):
            self.show_memory(self.agent, step, seed)
        self.evaluated_at = step
        if self.schedule.is_best(score(self.evaluation["greedy"])):
            self.save(step, best=True)
        return self.evaluation

    def show_memory(self, agent: MemoryAgent, step: int, seed: int) -> None:
        """The most read slots of a greedy episode to TensorBoard: what was seen, above what its code reinstates."""
        slots = slots_of(agent, play_episode(agent, self.options, seed, greedy=True))
        if len(slots.step) > 0:
            self.metrics.picture("memory/seen_above_reinstated", most_read(agent.spec, slots, SHOWN), step)

    def save(self, step: int, best: bool = False) -> None:
        """A checkpoint, with the evaluation of these very parameters where there is one."""
        evaluation = self.evaluation if step == self.evaluated_at else {}
        state = {"agent": self.agent.state_dict()}
        checkpoint.save(self.folder, state, self.options, step, evaluation, best)

    def finish(self, interrupted: bool) -> None:
        """The last evaluation, of the last parameters, and the last checkpoint."""
        self.bar.close()
        step = self.trainer.steps_done
        results: dict[str, Evaluation] = {}
        try:
            if not interrupted:
                results = self.evaluate(step)
                (self.folder / "eval").mkdir(exist_ok=True)
                run_folder.write_json(self.folder / "eval" / "final.json", {"step": step, **results})
        finally:  # also where the evaluation fails
            if not checkpoint.is_saved(self.folder, step):
                self.save(step)
            self.metrics.close()
        minutes = (time.perf_counter() - self.started) / 60
        print(f"{step:,} steps, {self.metrics.episodes:,} episodes in {minutes:.1f} minutes")
        print_results(results)
        print(f"evaluate it: reinstate evaluate {self.folder}")


def print_results(results: dict[str, Evaluation]) -> None:
    """One line for each kind of policy."""
    for kind, r in results.items():
        success = "" if r["success_rate"] is None else f"  success {r['success_rate']:.3f}"
        cues = "".join(f"  cue {cue}: {rate:.3f}" for cue, rate in r["success_by_cue"].items())
        print(f"{kind:>8}: return {r['mean_reward']:.3f}{success}{cues}  length {r['mean_ep_length']:.1f}")
    if cut := cut_in_words(results.values()):
        print(cut)


def score(result: Evaluation) -> float:
    """What the best checkpoint is chosen by: the success rate, or the mean return where success is not reported."""
    rate = result["success_rate"]
    return result["mean_reward"] if rate is None else rate
