"""The training run: collect, update, log, evaluate, save."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from reinstate.agents.chunk import Chunk
from reinstate.agents.learner import build_learner, finished_memory, update, update_codec
from reinstate.agents.rollout import collect, start_collecting
from reinstate.envs.seeds import spawn_seeds
from reinstate.experiment import checkpoint, run_folder
from reinstate.experiment.build import build_agent, build_envs, check_device, generator, streams
from reinstate.experiment.evaluation import evaluate, passes
from reinstate.experiment.inspection import most_read, play_episode, slots_of
from reinstate.experiment.metrics import Metrics
from reinstate.experiment.option_checks import check
from reinstate.experiment.options import RunOptions
from reinstate.experiment.start import take_over
from reinstate.memory.statistics import describe
from reinstate.memory.store import bytes_per_slot

LOG_EVERY = 50_000  # environment steps
# With --stop-at-success an evaluation comes early once the last training episodes, at least so many of them,
# succeed this close to the threshold: they are sampled, and a greedy policy does better.
EARLY_EVALUATION = 0.02
EARLY_EPISODES = 100
SHOWN = 8  # slots in a picture of the memory
LINE_EVERY = 10.0  # seconds between lines where there is no terminal


def train(options: RunOptions, command: list[str]) -> int:
    """Runs `options`; returns the exit code: 0, 130 after Ctrl-C, 1 where learning broke down."""
    check(options)
    check_device(options.device)
    torch.set_num_threads(options.torch_threads)
    envs = build_envs(options, options.num_envs)
    agent = build_agent(options, envs.single_observation_space, int(envs.single_action_space.n))
    if options.start_from is not None:
        take_over(agent, options, Path(options.start_from))
    folder = Path(options.run_dir) if options.run_dir else run_folder.default_run_dir(options)
    run_folder.create(folder, options, command)
    announce(options, folder, agent)

    flat = {k: v for k, v in options.to_json().items() if not isinstance(v, dict)}
    metrics = Metrics(folder, flat | options.to_json()["memory"] | options.to_json()["learning"])
    run = Run(options, folder, agent, metrics)  # its clock runs from here
    seeds = streams(options.seed)
    learner = build_learner(agent, options.learning, generator(seeds["learning"]))
    training_seeds = spawn_seeds(options.seed, options.num_envs, "training")
    actions, spread = generator(seeds["actions"]), (options.spread_steps, seeds["spread"])
    collector = start_collecting(envs, agent, training_seeds, actions, options.learning.hold_growth, spread)
    code = 0
    try:
        while collector.steps_done < options.total_timesteps:
            progress = collector.steps_done / options.total_timesteps
            left = -(-(options.total_timesteps - collector.steps_done) // options.num_envs)
            steps = min(options.learning.chunk_steps, left)
            chunk = collect(envs, agent, collector, steps, options.learning.chunk_decisions, learner.ring)
            metrics.note(update(agent, chunk, learner, options.learning, progress))
            if options.agent == "memory":
                metrics.note(update_codec(agent, chunk, learner.generator))
                metrics.note(agent.codec.figures())
                metrics.note({"memory/writes_per_step": per_step(chunk.novel, chunk)})
                state = collector.agent_state
                metrics.note(describe(state.memory, state.attention, torch.from_numpy(collector.lengths)))
            metrics.note({"rollout/decisions_per_step": per_step(chunk.complete, chunk)})
            metrics.note_episodes(chunk.episodes)
            if run.after_chunk(collector.steps_done):
                break
    except KeyboardInterrupt:
        code = 130
        print(f"\ninterrupted at {collector.steps_done} steps; saving", flush=True)
    except FloatingPointError as error:  # raised before the step, so the parameters are still good
        code = 1
        print(f"error: {error}", file=sys.stderr)
    except BaseException:  # an environment that fails, say
        run.finish(collector.steps_done, interrupted=True)
        raise
    finally:
        envs.close()
    run.finish(collector.steps_done, interrupted=code != 0)
    return code


def per_step(count: Tensor, chunk: Chunk) -> float:
    """How many of a chunk's decisions [n] bool, for each environment step."""
    return float(count.sum()) / (chunk.steps * chunk.num_envs)


def announce(options: RunOptions, folder: Path, agent: Any) -> None:
    print(f"environment {options.env} {' '.join(options.env_kwargs)}".rstrip())
    print(f"agent {options.agent}, seed {options.seed}, device cpu, {options.num_envs} environments")
    if options.agent == "memory":
        size = bytes_per_slot(agent.initial_state(1).memory)
        total = size * options.memory.slots * options.num_envs
        ring = agent.codec.ring.frames
        print(
            f"recalculation {options.memory.recalculation}; a slot takes {size} bytes, "
            f"the memory {total / 1e6:.1f} MB, the codec's ring of frames {ring.nbytes / 1e6:.1f} MB"
        )
        if options.learning.credit != "bootstrap":
            episodes = options.learning.episode_ring
            most = bytes_per_slot(finished_memory(agent)) * options.memory.slots * episodes
            print(f"the slots of the last {episodes:,} finished episodes take up to {most / 1e6:.1f} MB")
    if options.start_from is not None:
        print(f"begins with the agent of {options.start_from}")
    print(f"run folder {folder}")
    print(f"watch it: tensorboard --logdir {folder}")
    print("the first run compiles the environments, which takes some seconds", flush=True)


class Run:
    """When to log, evaluate, save and stop."""

    def __init__(self, options: RunOptions, folder: Path, agent: Any, metrics: Metrics) -> None:
        self.options, self.folder, self.agent, self.metrics = options, folder, agent, metrics
        self.next_log, self.next_save = LOG_EVERY, options.save_every
        self.next_evaluation, self.earliest_evaluation = options.eval_every, 0
        self.best = -math.inf
        self.evaluation: dict[str, Any] = {}
        self.evaluated_at = -1
        self.started = self.last_line = time.perf_counter()
        self.bar = tqdm(total=options.total_timesteps, unit="step", unit_scale=True, disable=not sys.stderr.isatty())

    def after_chunk(self, step: int) -> bool:
        """Does what is due at `step`; True where training shall stop."""
        o = self.options
        self.bar.update(step - self.bar.n)
        if step >= self.next_log:
            self.next_log = step + LOG_EVERY
            self.log(step)
        stop = False
        near = o.stop_at_success is not None and (
            len(self.metrics.recent) >= EARLY_EPISODES
            and self.metrics.rollout().get("rollout/success_rate", 0.0) >= o.stop_at_success - EARLY_EVALUATION
        )
        due = o.eval_every > 0 and step >= self.next_evaluation
        if due or (near and step >= self.earliest_evaluation):
            self.next_evaluation = step + o.eval_every
            found = self.evaluate(step)
            # Episodes of a policy that is not there yet can be long: no more steps in early evaluations than between.
            played = sum(r["episodes"] * r["mean_ep_length"] for r in found.values())
            self.earliest_evaluation = step + max(LOG_EVERY, int(played))
            stop = o.stop_at_success is not None and passes(found["greedy"], o.stop_at_success)
        if o.save_every > 0 and step >= self.next_save:
            self.next_save = step + o.save_every
            if not checkpoint.is_saved(self.folder, step):
                self.save(step)
        return stop

    def log(self, step: int) -> None:
        fps = self.fps(step)
        values = self.metrics.write(step, {"time/fps": fps})
        if self.bar.disable and time.perf_counter() - self.last_line >= LINE_EVERY:
            self.last_line = time.perf_counter()
            told = values.get("rollout/success_rate")
            success = "" if told is None else f"success {told:.3f}  "
            reward = values.get("rollout/ep_rew_mean", float("nan"))
            print(f"step {step:>10,}  {success}return {reward:.2f}  {fps:,.0f} steps/s", flush=True)

    def fps(self, step: int) -> float:
        """Environment steps a second since the start, evaluations included."""
        return step / (time.perf_counter() - self.started)

    def evaluate(self, step: int) -> dict[str, Any]:
        """Greedy and sampled, on seeds of their own at every evaluation; the best so far is saved."""
        if step == self.evaluated_at:  # training has just stopped here
            return self.evaluation
        o, seed = self.options, streams(self.options.seed)["evaluation"] % 2**31 + step
        self.evaluation = {
            kind: evaluate(self.agent, o, o.eval_episodes, seed, greedy)
            for kind, greedy in (("greedy", True), ("sampled", False))
        }
        for tag, kind in (("eval", "greedy"), ("eval_sampled", "sampled")):
            names = ("mean_reward", "success_rate", "mean_ep_length")
            found = {f"{tag}/{n}": self.evaluation[kind][n] for n in names}
            self.metrics.note({k: v for k, v in found.items() if v is not None})
        self.metrics.write(step, {"time/fps": self.fps(step)})
        if o.agent == "memory":
            self.show_memory(step, seed)
        self.evaluated_at = step
        if score(self.evaluation["greedy"]) > self.best:
            self.best = score(self.evaluation["greedy"])
            self.save(step, best=True)
        return self.evaluation

    def show_memory(self, step: int, seed: int) -> None:
        """The most read slots of a greedy episode to TensorBoard: what was seen, above what its code reinstates."""
        slots = slots_of(self.agent, play_episode(self.agent, self.options, seed, greedy=True))
        if len(slots.step) > 0:
            self.metrics.picture("memory/seen_above_reinstated", most_read(self.agent.spec, slots, SHOWN), step)

    def save(self, step: int, best: bool = False) -> None:
        """A checkpoint, with the evaluation of these very parameters where there is one."""
        evaluation = self.evaluation if step == self.evaluated_at else {}
        checkpoint.save(self.folder, self.agent, self.options, step, evaluation, best)

    def finish(self, step: int, interrupted: bool) -> None:
        """The last evaluation, of the last parameters, and the last checkpoint."""
        self.bar.close()
        try:
            if not interrupted:
                results = self.evaluate(step)
                (self.folder / "eval").mkdir(exist_ok=True)
                run_folder.write_json(self.folder / "eval" / "final.json", {"step": step, **results})
        finally:  # whatever comes of the evaluation
            if not checkpoint.is_saved(self.folder, step):
                self.save(step)
            self.metrics.close()
        minutes = (time.perf_counter() - self.started) / 60
        print(f"{step:,} steps, {self.metrics.episodes:,} episodes in {minutes:.1f} minutes")
        if not interrupted:
            print_results(results)
        print(f"evaluate it: reinstate evaluate {self.folder}")


def print_results(results: dict[str, Any]) -> None:
    """One line for each kind of policy."""
    for kind, r in results.items():
        success = "" if r["success_rate"] is None else f"  success {r['success_rate']:.3f}"
        cues = "".join(f"  cue {cue}: {rate:.3f}" for cue, rate in r["success_by_cue"].items())
        print(f"{kind:>8}: return {r['mean_reward']:.3f}{success}{cues}  length {r['mean_ep_length']:.1f}")


def score(result: dict[str, Any]) -> float:
    """What `best` goes by: the success rate, or the mean reward where the environment does not tell success."""
    rate = result["success_rate"]
    return result["mean_reward"] if rate is None else rate
