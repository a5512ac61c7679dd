"""Finding an environment by its id, with a suggestion where a name is nearly right."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import gymnasium as gym
import minigrid  # noqa: F401  registers the MiniGrid ids
from gymnasium.envs.registration import EnvSpec, load_env_creator

import reinstate.envs  # noqa: F401  registers Reinstate's ids
from reinstate.envs.engine.single import SingleEnv


def find_spec(env_id: str) -> EnvSpec:
    """The registered specification of an id; "module:id" imports the module first.

    Raises:
        ValueError: nothing of that name is registered; a similar id is suggested where there is one.
    """
    module, colon, name = env_id.rpartition(":")
    if colon:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ValueError(f"Environment {env_id!r} needs the module {error.name!r}: install it.") from error
    if name in gym.registry:
        return gym.registry[name]
    raise ValueError(f"Unknown environment {env_id!r}.{_suggest_id(name)}")


def _short(env_id: str) -> str:
    """An id without namespace and version, in lower case: what people remember of it."""
    return re.sub(r"-v\d+$", "", env_id.rpartition("/")[2]).lower()


def _suggest_id(name: str) -> str:
    # Later ones win: other namespaces, then ids without one, then this package's; newer versions after older.
    ids = sorted(gym.registry, key=lambda i: (i.startswith("Reinstate/"), "/" not in i, gym.registry[i].version or 0))
    by_short_name = {_short(env_id): env_id for env_id in ids}
    close = difflib.get_close_matches(_short(name), by_short_name, n=1, cutoff=0.7)
    if close:
        return f" Did you mean {by_short_name[close[0]]!r}?"
    return " See gymnasium.pprint_registry() for all ids; import or install the package that registers others."


def check_options(spec: EnvSpec, options: dict[str, Any]) -> None:
    """Raise ValueError if an option is no keyword of the environment that the specification makes."""
    accepted = keywords_of(spec)
    if accepted is None:
        return
    for option in options:
        if option not in accepted:
            raise ValueError(
                f"{spec.id} has no option {option!r}.{suggest(option, accepted)} "
                f"It accepts: {', '.join(sorted(accepted)) or 'none'}."
            )


def make_from(spec: EnvSpec, **options: Any) -> gym.Env:
    """`gymnasium.make`, but an option that the environment does not let go through is a ValueError that names it."""
    try:
        return gym.make(spec, **options)
    except TypeError as error:
        for option in options:
            if f"multiple values for keyword argument '{option}'" in str(error):
                raise ValueError(f"{spec.id} sets {option} by itself: leave it out.") from error
        raise


def suggest(word: str, words: Iterable[str]) -> str:
    """A sentence with the nearest of the words, or nothing."""
    close = difflib.get_close_matches(word, list(words), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def creator_of(spec: EnvSpec) -> Callable[..., Any]:
    """The class or function that makes the environment."""
    entry_point: Any = spec.entry_point
    return load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point


def keywords_of(spec: EnvSpec) -> set[str] | None:
    """All keywords that an environment's constructor takes, or None where that cannot be read off."""
    creator = creator_of(spec)
    if inspect.isclass(creator) and issubclass(creator, SingleEnv):
        creator = creator.batch_class
    # A class that passes **kwargs on takes what its base class takes.
    makers = inspect.getmro(creator) if inspect.isclass(creator) else (creator,)
    keywords: set[str] = set()
    for maker in makers:
        if inspect.isclass(maker) and "__init__" not in vars(maker):
            continue
        parameters = list(inspect.signature(maker).parameters.values())
        keywords |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            return keywords - {"render_mode", "num_envs"}
    return None
