"""All options of a run: one dataclass for each concern, each field followed by the sentence that becomes --help."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import tyro

from agents.options import AgentName, LearningOptions
from experiment.errors import UserError
from memory.options import MemoryOptions

EPISODIC = ("replayed_episodes", "episode_ring", "imitation_coef", "novelty_bonus")  # go by finished episodes

SENDS_NOTHING = ("refresh", "truncated", "none")  # ways of recalculation, to older slots
PYTHON_NAMES = {"True": True, "False": False, "None": None}

DeviceName = Literal["auto", "cpu", "cuda"]


def parse_env_kwargs(pairs: Iterable[str]) -> dict[str, Any]:
    """Keyword arguments from name=value; values are JSON, or Python's True, False and None, where they can be.

    >>> parse_env_kwargs(["length=100", "observation=pixels"])
    {'length': 100, 'observation': 'pixels'}
    >>> parse_env_kwargs(["yoked=true", "is_slippery=False"])
    {'yoked': True, 'is_slippery': False}
    """
    kwargs: dict[str, Any] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key.isidentifier():
            raise UserError(f"--env-kwargs takes name=value, such as length=100; {pair!r} is not of that form")
        try:
            kwargs[key] = json.loads(value)
        except json.JSONDecodeError:
            kwargs[key] = PYTHON_NAMES.get(value, value)
    return kwargs


def flag_of(name: str) -> str:
    return "--" + name.replace("_", "-")


@dataclass(frozen=True)
class RunOptions:
    """Train an agent."""

    env: str = "Reinstate/GridTMazeCrowdedPassive-v0"
    """Environment id; module:id imports the module first."""
    env_kwargs: tuple[str, ...] = ()
    """Keyword arguments of the environment: length=100 distractors=6."""
    agent: AgentName = "memory"
    """memory: the episodic memory. lstm and none: the controls."""
    seed: int = 1
    """Seeds everything: parameters, actions, environments. Same seed, same machine: same parameters."""
    total_timesteps: int = 5_000_000
    """Environment steps at which training ends."""
    num_envs: int = 256
    """B: environments stepped together."""
    spread_steps: int = 0
    """Random actions of each environment before training, counted in --total-timesteps and the schedules; at one of
    them, each at its own, its episode begins anew. For tasks whose episodes all last equally long, about that length:
    the environments would go through them in step, and a chunk would hold one part of the task only."""
    stop_at_success: float | None = None
    """Stop as soon as a greedy evaluation reaches this success rate, over all episodes and for each cue."""
    eval_every: int = 1_000_000
    """Environment steps between evaluations; 0 evaluates only at the end, and, with --stop-at-success, where training
    episodes come near it."""
    eval_episodes: int = 200
    """Episodes of each evaluation, greedy and sampled."""
    save_every: int = 0
    """Environment steps between checkpoints, besides those of the best evaluation and of the end; 0 saves no others."""
    run_dir: str | None = None
    """Folder of the run; by default runs/<env>__<name>__s<seed>__<UTC>. Must be new or empty."""
    start_from: str | None = None
    """Folder of an earlier run whose last agent this one begins with, in place of random parameters: learnt at a short
    delay, say, and taken on to a long one. Steps and schedules begin anew."""
    name: str = "run"
    """Label in the default run folder."""
    device: DeviceName = "auto"
    """The batches are small and run on the processor, which is what auto chooses; cuda is not supported yet."""
    torch_threads: int = 1
    """Threads of torch; the batches are small, and one thread is fastest."""
    memory: Annotated[MemoryOptions, tyro.conf.arg(name="")] = field(default_factory=MemoryOptions)
    learning: Annotated[LearningOptions, tyro.conf.arg(name="")] = field(default_factory=LearningOptions)

    def with_env_kwargs(self, pairs: tuple[str, ...]) -> RunOptions:
        """A copy whose environment gets these keyword arguments beside, or in place of, its own."""
        merged = parse_env_kwargs(self.env_kwargs) | parse_env_kwargs(pairs)
        return dataclasses.replace(self, env_kwargs=tuple(f"{k}={json.dumps(v)}" for k, v in merged.items()))

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` is the inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RunOptions:
        parts = {
            "memory": MemoryOptions(**values["memory"]),
            "learning": LearningOptions(**values["learning"]),
        }
        return cls(**{**values, "env_kwargs": tuple(values["env_kwargs"]), **parts})

    def check(self) -> None:
        """Raises UserError for values and pairs that make no sense; the sentence says the fix."""
        m, lo = self.memory, self.learning
        for part in (self, m, lo):
            for f in dataclasses.fields(part):
                value = getattr(part, f.name)
                if isinstance(value, float) and not math.isfinite(value):
                    raise UserError(f"{flag_of(f.name)} is {value}; it must be a finite number")
        at_least_one = {
            "--num-envs": self.num_envs,
            "--total-timesteps": self.total_timesteps,
            "--eval-episodes": self.eval_episodes,
            "--torch-threads": self.torch_threads,
            "--slots": m.slots,
            "--embedding-width": m.embedding_width,
            "--heads": m.heads,
            "--write-every": m.write_every,
            "--recalculated-codes": m.recalculated_codes,
            "--code-bits": m.code_bits,
            "--codec-ring": m.codec_ring,
            "--codec-updates": m.codec_updates,
            "--chunk-steps": lo.chunk_steps,
            "--epochs": lo.epochs,
            "--replayed-episodes": lo.replayed_episodes,
            "--episode-ring": lo.episode_ring,
            "--states-per-env": lo.states_per_env,
        }
        for flag, value in at_least_one.items():
            if value < 1:
                raise UserError(f"{flag} is {value}; it must be at least 1")
        shares = {
            "--gae-lambda": lo.gae_lambda,
            "--critic-lambda": lo.critic_lambda,
            "--novel-share": lo.novel_share,
            "--min-fidelity": m.min_fidelity,
            "--stop-at-success": self.stop_at_success if self.stop_at_success is not None else 1.0,
        }
        for flag, share in shares.items():
            if not 0.0 <= share <= 1.0:
                raise UserError(f"{flag} is {share}; it must lie between 0 and 1")
        not_negative = {
            "--seed": self.seed,
            "--spread-steps": self.spread_steps,
            "--eval-every": self.eval_every,
            "--save-every": self.save_every,
            "--imitation-coef": lo.imitation_coef,
            "--novelty-bonus": lo.novelty_bonus,
            "--final-learning-rate": lo.final_learning_rate,
            "--ent-coef": lo.ent_coef,
            "--final-ent-coef": lo.final_ent_coef,
            "--vf-coef": lo.vf_coef,
        }
        for flag, number in not_negative.items():
            if number < 0:
                raise UserError(f"{flag} is {number}; it must not be negative")
        positive = {
            "--target-step": m.target_step,
            "--learning-rate": lo.learning_rate,
            "--horizon": lo.horizon,
            "--clip-coef": lo.clip_coef,
            "--max-grad-norm": lo.max_grad_norm,
        }
        for flag, number in positive.items():
            if number <= 0:
                raise UserError(f"{flag} is {number}; it must be greater than 0")
        if self.spread_steps * self.num_envs >= self.total_timesteps:
            raise UserError(
                f"--spread-steps {self.spread_steps} takes {self.spread_steps * self.num_envs} steps in all, and "
                f"--total-timesteps {self.total_timesteps} leaves none to learn from: lower --spread-steps or raise "
                "--total-timesteps"
            )
        if lo.chunk_decisions < 2:
            raise UserError(f"--chunk-decisions is {lo.chunk_decisions}; it must be at least 2: one may still be held")
        if lo.hold_growth < 1:
            raise UserError(f"--hold-growth is {lo.hold_growth}; it must be at least 1, which decides at every step")
        episodic = [n for n in EPISODIC if getattr(lo, n) != getattr(LearningOptions, n)]
        if lo.credit == "bootstrap" and episodic:
            flags = ", ".join(flag_of(name) for name in episodic)
            raise UserError(f"{flags} need the slots of finished episodes: leave them out, or choose another --credit")
        if lo.credit == "transport" and lo.horizon >= 1:
            raise UserError(
                f"--credit transport carries value further back than --horizon {lo.horizon}, and no episode is that "
                "long: choose a horizon well below 1, such as 0.2"
            )
        if self.agent != "memory":
            changed = [f.name for f in dataclasses.fields(m) if getattr(m, f.name) != f.default] + episodic
            if lo.credit != LearningOptions.credit:
                changed.append("credit")
            if changed:
                flags = ", ".join(flag_of(name) for name in changed)
                raise UserError(f"{flags} need the memory: leave them out, or choose --agent memory")
        always = m.write_rule != "novel"  # every step is a decision then, and writes
        idle = {  # what nothing would read
            "hold_growth": (lo, "--agent lstm" if self.agent == "lstm" else always and f"--write-rule {m.write_rule}"),
            "states_per_env": (lo, self.agent == "lstm" and "--agent lstm"),
            "novel_share": (lo, self.agent != "memory" and f"--agent {self.agent}"),
            "recalculated_codes": (m, m.recalculation in SENDS_NOTHING and f"--recalculation {m.recalculation}"),
        }
        for name, (part, cause) in idle.items():
            if cause and getattr(part, name) != getattr(type(part), name):
                raise UserError(f"{flag_of(name)} has no effect with {cause}: leave one of them out")
        if lo.replayed_episodes > lo.episode_ring:
            raise UserError(
                f"--replayed-episodes {lo.replayed_episodes} are more than the {lo.episode_ring} of --episode-ring: "
                "raise that, or lower them"
            )
        if m.write_every != MemoryOptions.write_every and m.write_rule != "every_k":
            raise UserError("--write-every is the k of --write-rule every_k: choose that rule, or leave it out")
        if m.check_cosine and m.recalculation in SENDS_NOTHING:
            raise UserError(
                f"--check-cosine compares what is sent to older slots, and --recalculation {m.recalculation} sends "
                "nothing there: choose direct, target or oracle, or leave it out"
            )
        if m.target_step != MemoryOptions.target_step and m.recalculation != "target":
            raise UserError("--target-step is the eta of --recalculation target: choose that, or leave it out")
