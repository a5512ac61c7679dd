"""The command `reinstate train`: begins a run or goes on with one, trains, logs, evaluates and saves."""

from __future__ import annotations

import shlex
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

from reinstate.agents.collector import RolloutStopped
from reinstate.agents.interface import Stateful
from reinstate.agents.memory_agent import MemoryAgent
from reinstate.envs.errors import EnvError
from reinstate.experiment import checkpoint, files, resume, run_folder
from reinstate.experiment.build import check_device, streams, untrained
from reinstate.experiment.errors import RunError, UserError
from reinstate.experiment.evaluation import Evaluation, cut_in_words, evaluate, reaches
from reinstate.experiment.inspection import most_read, play_episode, slots_of
from reinstate.experiment.metrics import Metrics
from reinstate.experiment.option_checks import check
from reinstate.experiment.options import RunOptions
from reinstate.experiment.schedule import Schedule
from reinstate.experiment.signals import Signals, Stopped
from reinstate.experiment.standard_streams import on_terminal, say, warn
from reinstate.experiment.trainer import Trainer
from reinstate.experiment.warm_start import warm_start

SHOWN = 8  # slots in a picture of the memory
LINE_EVERY = 10.0  # seconds between lines where there is no terminal
SAVING_SHARE = 0.01  # checkpoints that the clock asks for take at most this share of a run


def train(options: RunOptions, command: list[str]) -> Path:
    """Trains, evaluates and saves; returns the run folder. A run that has begun in `options.run_dir` goes on.

    Whatever ends the training early, what was learnt until then is saved first.

    Args:
        command: the words of the command, for the run folder.

    Raises:
        UserError: the options make no sense, or the run in that folder has others; nothing was written.
        FloatingPointError: learning broke down; what is saved are the parameters before that.
        EnvError: an environment failed; what was learnt is saved.
        RunError: the run folder could not be written.
        Stopped: a signal; all is saved, and the same command goes on. It is a KeyboardInterrupt.
    """
    check(options)
    check_device(options.device)
    torch.set_num_threads(options.torch_threads)
    folder = Path(options.run_dir) if options.run_dir else run_folder.default_run_dir(options)
    goes_on = run_folder.is_run(folder)
    if not goes_on:
        run_folder.check_new(folder)
    elif (step := check_run(folder, options)) is not None:
        say(f"{folder} has finished after {step:,} steps; raise --total-timesteps to go on")
        say(f"its results are in {folder / 'eval' / 'final.json'}")
        return folder
    with Signals() as signals:
        trainer = build(options, begins=not goes_on or not checkpoint.exists(folder))
        try:
            if not goes_on:
                run_folder.create(folder, options, command)
            with run_folder.locked(folder):
                Run(options, folder, trainer, signals).go(command, goes_on)
        finally:
            trainer.envs.close()
    return folder


def check_run(folder: Path, options: RunOptions) -> int | None:
    """Raises UserError where the run in `folder` cannot go on with these options; its last step if it has finished."""
    resume.check_same(folder, options)
    return resume.finished(folder, options)


def build(options: RunOptions, begins: bool) -> Trainer:
    """The trainer of a run that begins, or one whose state will be loaded."""
    say(f"environment {options.env} {' '.join(options.env_kwargs)}".rstrip())
    say(f"agent {options.agent}, seed {options.seed}, device cpu, {options.num_envs} environments")
    say("the first run compiles the environments, which takes some seconds")
    agent = untrained(options)
    if begins and options.start_from is not None:
        warm_start(agent, options, Path(options.start_from))
        say(f"begins with the agent of {options.start_from}")
    try:
        return Trainer(options, agent, begins)
    except EnvError as error:
        raise UserError(str(error)) from error


class Run:
    """A trainer in its folder: logs, evaluates, saves."""

    def __init__(self, options: RunOptions, folder: Path, trainer: Trainer, signals: Signals) -> None:
        self.options, self.folder, self.trainer, self.signals = options, folder, trainer, signals
        self.metrics = Metrics(folder, options.flat())
        self.schedule = Schedule.begin(options)
        self.evaluation: dict[str, Evaluation] = {}
        self.evaluated_at = -1
        self.saved_at: int | None = None  # step of the last checkpoint
        self.began_at = 0  # step at which this session began
        self.started = self.last_line = self.last_save = time.perf_counter()
        self.save_seconds = self.all_save_seconds = 0.0  # that the last checkpoint took, and all of this session
        self.bar = tqdm(total=options.total_timesteps, unit="step", unit_scale=True, disable=True)
        self.warned = False

    def parts(self) -> dict[str, Stateful]:
        """Everything that a run must remember, by name."""
        return {**self.trainer.parts(), "metrics": self.metrics, "schedule": self.schedule}

    def go(self, command: list[str], goes_on: bool) -> None:
        """Trains to the end and evaluates; whatever ends it early, what was learnt is saved."""
        try:
            self.begin(command, goes_on)
            with self.signals.waiting():
                self.learn()
                self.finish()
        except Stopped as stop:
            say(f"\nstopped by {stop} at {self.trainer.steps_done:,} steps. {self.how_to_go_on()}")
            raise
        except UserError:
            raise
        except OSError as error:
            raise RunError(
                f"{self.folder} cannot be written ({error.strerror or error}) after {self.trainer.steps_done:,} steps: "
                f"mend that. {self.how_to_go_on()}"
            ) from error
        except BaseException as error:
            if self.trainer.envs_failed or isinstance(error, FloatingPointError):  # the agent is whole
                self.save()
            files.replace(self.folder / "error.txt", "".join(traceback.format_exception(error)).encode())
            say(f"stopped at {self.trainer.steps_done:,} steps. {self.how_to_go_on()}")
            raise
        finally:
            self.close()

    def how_to_go_on(self) -> str:
        """A sentence about what is saved."""
        if self.saved_at is None:
            return "No checkpoint was written: it begins anew."
        return f"The last checkpoint is of step {self.saved_at:,}; go on: reinstate train --resume {self.folder}"

    def begin(self, command: list[str], goes_on: bool) -> None:
        """Opens the files of a new run, or loads the last checkpoint; prints what is about to run."""
        for line in self.trainer.describe():
            say(line)
        say(f"run folder {self.folder}")
        say(f"watch it: tensorboard --logdir {self.folder}")
        if goes_on:
            if checkpoint.exists(self.folder):
                self.load()
            self.note_going_on(command)
        self.metrics.open()
        self.began_at = self.trainer.steps_done
        self.bar = tqdm(
            total=self.options.total_timesteps,
            initial=self.began_at,
            unit="step",
            unit_scale=True,
            disable=not on_terminal(),
        )

    def load(self) -> None:
        """Loads the last checkpoint."""
        manifest = checkpoint.read_manifest(checkpoint.find(self.folder))
        resume.check_manifest(self.folder, self.options, manifest)
        self.saved_at = checkpoint.load(self.folder, self.parts())
        say(f"goes on from step {self.saved_at:,}")
        if self.trainer.restarted > 0:
            say(f"new episodes begin in {self.trainer.restarted} environments: theirs could not be restored")

    def note_going_on(self, command: list[str]) -> None:
        """Notes in the folder that the run goes on, and with which options."""
        files.replace(
            self.folder / "command.txt",
            files.read(self.folder / "command.txt") + f"{shlex.join(command)}\n".encode(),
        )
        run_folder.write_options(self.folder, self.options)
        for ended in ("eval/final.json", "error.txt"):
            (self.folder / ended).unlink(missing_ok=True)

    def learn(self) -> None:
        """Trains until `total_timesteps`, or until an evaluation says that it is enough."""
        while not self.stops() and self.trainer.steps_done < self.options.total_timesteps:
            try:
                log, episodes = self.trainer.step(self.signals.came)
            except RolloutStopped:
                self.save()
                self.signals.check()
                continue
            self.metrics.note(log)
            self.metrics.note_episodes(episodes)
            step = self.trainer.steps_done
            self.bar.update(step - self.bar.n)
            if self.schedule.log_due(step):
                self.log(step)
            if self.schedule.save_due(step, self.options) or self.time_to_save() or self.signals.came():
                self.save()
            self.signals.check()

    def stops(self) -> bool:
        """Evaluates where that is due; True where the result ends the training."""
        o, step = self.options, self.trainer.steps_done
        rollout = self.metrics.rollout()
        self.warn_of_no_success(rollout)
        if not self.schedule.evaluation_due(step, o, len(self.metrics.recent), rollout):
            return False
        found = self.evaluate(step)
        if cut := cut_in_words(found.values()):
            say(cut)
        self.schedule.evaluated(step, o, sum(r["episodes"] * r["mean_ep_length"] for r in found.values()))
        return reaches(found["greedy"], o)

    def warn_of_no_success(self, rollout: dict[str, float]) -> None:
        """Says once that --stop-at-success waits for what is never reported."""
        if self.options.stop_at_success is None or self.warned or not rollout or "rollout/success_rate" in rollout:
            return
        self.warned = True
        say(f"warning: {self.options.env} reports no success, so --stop-at-success has no effect: use --stop-at-return")

    def log(self, step: int) -> None:
        """Writes the metrics; a line where there is no progress bar."""
        self.metrics.write(step, self.times(step))
        if self.bar.disable and time.perf_counter() - self.last_line >= LINE_EVERY:
            self.last_line = time.perf_counter()
            say(f"step {step:>10,}  {self.metrics.line()}  {self.times(step)['time/fps']:,.0f} steps/s")

    def times(self, step: int) -> dict[str, float]:
        """Environment steps a second since this session began, evaluations included, and the share of checkpoints."""
        seconds = time.perf_counter() - self.started
        return {"time/fps": (step - self.began_at) / seconds, "time/checkpoints": self.all_save_seconds / seconds}

    def evaluate(self, step: int) -> dict[str, Evaluation]:
        """Greedy and sampled, on seeds of their own at every evaluation. The checkpoint comes first: an evaluation may
        take long, or fail."""
        if step == self.evaluated_at:  # training has just stopped here
            return self.evaluation
        self.save()
        agent, o, seed = self.trainer.agent, self.options, streams(self.options.seed)["evaluation"] % 2**31 + step
        with self.signals.raising():
            self.evaluation = {
                kind: evaluate(agent, o, o.eval_episodes, seed, greedy)
                for kind, greedy in (("greedy", True), ("sampled", False))
            }
        for tag, kind in (("eval", "greedy"), ("eval_sampled", "sampled")):
            r = self.evaluation[kind]
            self.metrics.note({f"{tag}/mean_reward": r["mean_reward"], f"{tag}/mean_ep_length": r["mean_ep_length"]})
            if r["success_rate"] is not None:
                self.metrics.note({f"{tag}/success_rate": r["success_rate"]})
        self.metrics.write(step, self.times(step))
        if isinstance(agent, MemoryAgent):
            self.show_memory(agent, step, seed)
        self.evaluated_at = step
        if self.schedule.is_best(score(self.evaluation["greedy"])):
            checkpoint.point(self.folder, "best", checkpoint.name_of(step))
        return self.evaluation

    def show_memory(self, agent: MemoryAgent, step: int, seed: int) -> None:
        """The most read slots of a greedy episode to TensorBoard: what was seen, above what its code reinstates."""
        with self.signals.raising():
            slots = slots_of(agent, play_episode(agent, self.options, seed, greedy=True))
        if len(slots.step) > 0:
            self.metrics.picture("memory/seen_above_reinstated", most_read(agent.spec, slots, SHOWN), step)

    def time_to_save(self) -> bool:
        """Whether --save-minutes have passed since the last checkpoint; longer where checkpoints take long."""
        wanted = max(60 * self.options.save_minutes, self.save_seconds / SAVING_SHARE)
        return self.options.save_minutes > 0 and time.perf_counter() - self.last_save >= wanted

    def save(self) -> None:
        """A checkpoint of this step, unless there is one."""
        step, began = self.trainer.steps_done, time.perf_counter()
        if step != self.saved_at:
            state = {name: part.state_dict() for name, part in self.parts().items()}
            checkpoint.save(self.folder, state, self.options.to_json(), step, self.options.keep_checkpoints)
            self.saved_at = step
        self.last_save = time.perf_counter()
        self.save_seconds = self.last_save - began
        self.all_save_seconds += self.save_seconds

    def finish(self) -> None:
        """The last evaluation, of the last parameters."""
        self.bar.close()
        step = self.trainer.steps_done
        results = self.evaluate(step)
        (self.folder / "eval").mkdir(exist_ok=True)
        files.replace(self.folder / "eval" / "final.json", files.as_json({"step": step, **results}))
        say(f"{step:,} steps, {self.metrics.episodes:,} episodes in {self.metrics.seconds / 60:.1f} minutes")
        print_results(results)
        say(f"evaluate it: reinstate evaluate {self.folder}")

    def close(self) -> None:
        """Closes the files; what cannot be written any more is lost with them."""
        self.bar.close()
        try:
            self.metrics.close()
        except OSError as error:
            warn(f"{self.folder}: {error}")


def print_results(results: dict[str, Evaluation], show: Callable[[str], None] = say) -> None:
    """Shows one line for each kind of policy, and one where episodes were cut."""
    for kind, r in results.items():
        success = "" if r["success_rate"] is None else f"  success {r['success_rate']:.3f}"
        cues = "".join(f"  cue {cue}: {rate:.3f}" for cue, rate in r["success_by_cue"].items())
        show(f"{kind:>8}: return {r['mean_reward']:.3f}{success}{cues}  length {r['mean_ep_length']:.1f}")
    if cut := cut_in_words(results.values()):
        show(cut)


def score(result: Evaluation) -> float:
    """What the best checkpoint is chosen by: the success rate, or the mean return where success is not reported."""
    rate = result["success_rate"]
    return result["mean_reward"] if rate is None else rate
