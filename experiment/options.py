"""All options of a run: one dataclass for each concern, each field followed by the sentence that becomes --help."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_type_hints

import tyro

from reinstate.agents.options import AgentName, LearningOptions
from reinstate.envs.naming import suggest
from reinstate.experiment.errors import UserError
from reinstate.experiment.option_values import check_ranges, converted, shown
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
        except (ValueError, RecursionError):  # ValueError: no JSON, or an integer of thousands of digits
            kwargs[key] = PYTHON_NAMES.get(value, value)
    return kwargs


def pairs_of(env_kwargs: object) -> tuple[str, ...]:
    """Keyword arguments, by name or as name=value, as name=value: the inverse of `parse_env_kwargs`.

    >>> pairs_of({"length": 100, "observation": "pixels"})
    ('length=100', 'observation="pixels"')
    """
    if isinstance(env_kwargs, str):
        return (env_kwargs,)
    if isinstance(env_kwargs, Mapping):
        try:
            return tuple(f"{name}={json.dumps(value)}" for name, value in env_kwargs.items())
        except (TypeError, ValueError, RecursionError) as error:
            raise UserError(f"env_kwargs must be numbers, strings, True, False or None ({error})") from error
    pairs = tuple(env_kwargs) if isinstance(env_kwargs, Iterable) else ()
    if not isinstance(env_kwargs, Iterable) or not all(isinstance(pair, str) for pair in pairs):
        raise UserError(f"env_kwargs is {shown(env_kwargs)}; it must be a dict, or a list of name=value")
    return pairs


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
    stop_at_return: float | None = None
    """Stop as soon as a greedy evaluation reaches this mean return. For environments that report no success."""
    eval_every: int = 1_000_000
    """Environment steps between evaluations. 0 evaluates only at the end and, with --stop-at-success or
    --stop-at-return, when training episodes come near that."""
    eval_episodes: int = 200
    """Episodes of each evaluation, greedy and sampled."""
    eval_max_steps: int | None = None
    """Steps after which an evaluation episode is cut. By default 10,000 where the environment has no time limit, and
    none where it has one."""
    save_minutes: float = 5.0
    """Minutes between checkpoints. One is also written before each evaluation, at the end, and when a signal ends the
    run. 0: no others."""
    save_every: int = 0
    """Environment steps between checkpoints, beside --save-minutes. 0: none."""
    keep_checkpoints: int = 3
    """The last so many checkpoints are kept, and the best."""
    run_dir: str | None = None
    """Folder of the run; by default runs/<env>__<name>__s<seed>__<UTC>. If a run has begun there, it goes on."""
    resume: str | None = None
    """Folder of a run that goes on from its last checkpoint, to the bit, with its own options. Only what does not
    change what is learnt may be given anew, and --total-timesteps."""
    trust: bool = False
    """With --resume: import the module that the run's environment names. Naming it by --env does so, too."""
    start_from: str | None = None
    """Folder of an earlier run: training begins with its last agent, not with random parameters. For example, learn at
    a short delay first, then at a long one. Steps and schedules begin anew."""
    name: str = "run"
    """Label in the default run folder."""
    device: DeviceName = "auto"
    """Agents run on the CPU, which is what auto chooses; cuda is not supported yet."""
    torch_threads: int = 1
    """Threads of torch; the batches are small, and one thread is fastest. Another number gives other parameters."""
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
    def of(cls, values: Mapping[str, Any]) -> RunOptions:
        """Options by name, those of `memory` and `learning` among them; those that are left out keep their defaults.

        Raises UserError for unknown names and for values of a wrong type.
        """
        hints = {name: hint for part in PARTS for name, hint in hints_of(part).items()}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in hints:
                raise UserError(f"there is no option {name!r}.{suggest(name, hints)}")
            checked[name] = pairs_of(value) if name == "env_kwargs" else converted(name, value, hints[name])
        own, memory, learning = ({name: checked[name] for name in hints_of(part) if name in checked} for part in PARTS)
        return cls(**own, memory=MemoryOptions(**memory), learning=LearningOptions(**learning))

    @classmethod
    def from_json(cls, values: object) -> RunOptions:
        """The inverse of `to_json`, for values that anybody may have written.

        Raises UserError unless every option is there, of its type and in its range.
        """
        flat: dict[str, Any] = {}
        for part, group in zip(PARTS, (None, *GROUPS), strict=True):
            found = values if group is None else flat.pop(group)
            if not isinstance(found, dict):
                raise UserError(f"{group or 'what it holds'} is {shown(found)}; it must be options by name")
            names = {f.name for f in dataclasses.fields(part)}
            for name in sorted(names ^ found.keys()):
                state = "missing" if name in names else "unknown"
                raise UserError(f"the option {shown(name)} is {state}: was it written by another version?")
            flat |= found
        if not isinstance(flat["env_kwargs"], list):
            raise UserError(f"env_kwargs is {shown(flat['env_kwargs'])}; it must be a list")
        options = cls.of(flat)
        parse_env_kwargs(options.env_kwargs)
        check_ranges(options.flat())
        return options


PARTS = (RunOptions, MemoryOptions, LearningOptions)


@functools.cache
def hints_of(part: type) -> dict[str, Any]:
    """The type of each option of one of `PARTS`."""
    return {name: hint for name, hint in get_type_hints(part).items() if name not in GROUPS}
