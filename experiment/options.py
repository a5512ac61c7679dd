"""All options of a run: one dataclass for each concern, each field followed by the sentence that becomes --help."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import tyro

from reinstate.agents.options import AgentName, LearningOptions
from reinstate.experiment.errors import UserError
from reinstate.memory.options import MemoryOptions

GROUPS = ("memory", "learning")  # fields that hold options of their own
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


def pairs_of(env_kwargs: Mapping[str, object] | Iterable[str]) -> tuple[str, ...]:
    """Keyword arguments as name=value: the inverse of `parse_env_kwargs`.

    >>> pairs_of({"length": 100, "observation": "pixels"})
    ('length=100', 'observation="pixels"')
    """
    if isinstance(env_kwargs, str):
        return (env_kwargs,)
    if not isinstance(env_kwargs, Mapping):
        return tuple(env_kwargs)
    try:
        return tuple(f"{name}={json.dumps(value)}" for name, value in env_kwargs.items())
    except TypeError as error:
        raise UserError(f"env_kwargs must be numbers, strings, True, False or None ({error})") from error


def flag_of(name: str) -> str:
    """The option of the command line that sets a field.

    >>> flag_of("num_envs")
    '--num-envs'
    """
    return "--" + name.replace("_", "-")


@dataclass(frozen=True)
class RunOptions:
    """Train an agent."""

    env: str = "Reinstate/GridTMazeCrowdedPassive-v0"
    """Environment id; module:id imports the module first."""
    env_kwargs: tuple[str, ...] = ()
    """Keyword arguments of the environment: length=100 distractors=6."""
    agent: AgentName = "memory"
    """memory: the episodic memory. lstm, gru and none: the controls."""
    seed: int = 1
    """Seeds everything: parameters, actions, environments. Same seed, same machine: same parameters."""
    total_timesteps: int = 5_000_000
    """Environment steps at which training ends."""
    num_envs: int = 256
    """B: environments stepped together."""
    stagger_steps: int = 0
    """Staggered resets: before training, play this many random actions in each environment, and reset each once, at a
    random one of these steps. Use it for tasks whose episodes are all equally long, with about that length: otherwise
    all environments are in the same phase, and a rollout shows one part of the task only. Counted in
    --total-timesteps."""
    stop_at_success: float | None = None
    """Stop as soon as a greedy evaluation reaches this success rate, over all episodes and for each cue."""
    eval_every: int = 1_000_000
    """Environment steps between evaluations. 0 evaluates only at the end and, with --stop-at-success, when training
    episodes come near that rate."""
    eval_episodes: int = 200
    """Episodes of each evaluation, greedy and sampled."""
    save_minutes: float = 5.0
    """Minutes between checkpoints. One is also written before each evaluation, at the end, and when a signal ends the
    run. 0: no others."""
    save_every: int = 0
    """Environment steps between checkpoints, beside --save-minutes. 0: none."""
    keep_checkpoints: int = 3
    """The last so many checkpoints are kept, and the best."""
    run_dir: str | None = None
    """Folder of the run; by default runs/<env>__<name>__s<seed>__<UTC>. If a run has begun there, it goes on."""
    start_from: str | None = None
    """Folder of an earlier run: training begins with its last agent, not with random parameters. For example, learn at
    a short delay first, then at a long one. Steps and schedules begin anew."""
    name: str = "run"
    """Label in the default run folder."""
    device: DeviceName = "auto"
    """Agents run on the CPU, which is what auto chooses; cuda is not supported yet."""
    torch_threads: int = 1
    """Threads of torch; the batches are small, and one thread is fastest."""
    memory: Annotated[MemoryOptions, tyro.conf.arg(name="")] = field(default_factory=MemoryOptions)
    learning: Annotated[LearningOptions, tyro.conf.arg(name="")] = field(default_factory=LearningOptions)

    def with_env_kwargs(self, pairs: tuple[str, ...]) -> RunOptions:
        """A copy whose environment gets these keyword arguments too, in place of its own of the same name."""
        merged = parse_env_kwargs(self.env_kwargs) | parse_env_kwargs(pairs)
        return dataclasses.replace(self, env_kwargs=pairs_of(merged))

    def flat(self) -> dict[str, Any]:
        """All options by name, those of `memory` and `learning` among them."""
        parts = (self, self.memory, self.learning)
        values = {f.name: getattr(part, f.name) for part in parts for f in dataclasses.fields(part)}
        return {name: value for name, value in values.items() if name not in GROUPS}

    def changed(self) -> dict[str, Any]:
        """The options that are not at their defaults, by name."""
        defaults = RunOptions().flat()
        return {name: value for name, value in self.flat().items() if value != defaults[name]}

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` is the inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RunOptions:
        """The inverse of `to_json`."""
        parts = {
            "memory": MemoryOptions(**values["memory"]),
            "learning": LearningOptions(**values["learning"]),
        }
        return cls(**{**values, "env_kwargs": tuple(values["env_kwargs"]), **parts})
