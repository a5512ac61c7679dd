"""Finding an environment by its id, with a suggestion where a name is nearly right."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

import gymnasium as gym
import minigrid  # noqa: F401  registers the MiniGrid ids
from gymnasium.envs.registration import EnvSpec, load_env_creator

import reinstate.envs  # noqa: F401  registers Reinstate's ids
from reinstate.envs.engine.single import SingleEnv
from reinstate.envs.errors import EnvError, cause_of, line_of

INSTALL = {  # how to install what environments need, where the package has another name than the module
    "Box2D": 'pip install swig "gymnasium[box2d]"',
    "pygame": 'pip install "gymnasium[classic-control]"',
    "mujoco": 'pip install "gymnasium[mujoco]"',
    "jax": 'pip install "gymnasium[jax]"',
    "ale_py": "pip install ale-py",
    "cv2": "pip install opencv-python",
}


def find_spec(env_id: str) -> EnvSpec:
    """The registered specification of an id; "module:id" imports the module first, from the current folder too.

    Raises:
        ValueError: the module cannot be imported, or nothing of that name is registered; a similar id is suggested
            where there is one.
    """
    module, colon, name = env_id.rpartition(":")
    if colon:
        _import(module, env_id)
    if name in gym.registry:
        return gym.registry[name]
    raise ValueError(f"Unknown environment {env_id!r}.{_suggest_id(name, module)}")


def _import(module: str, env_id: str) -> None:
    # A console script does not look for modules in the current folder, as `python` does. At the end of the path, so
    # that no file there takes the place of an installed package.
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent and f"{module}.".startswith(f"{absent}."):
            where = f"it is neither installed nor in {os.getcwd()}"
            raise ValueError(f"Environment {env_id!r} needs the module {absent!r}: {where}.") from error
        if (needed := missing(error)) is not None:
            raise ValueError(f"Environment {env_id!r} needs {needed}.") from error
        raise ValueError(f"Environment {env_id!r}: importing {module} raised {cause_of(error)}.") from error


def _short(env_id: str) -> str:
    """An id without namespace and version, in lower case: what people remember of it."""
    return re.sub(r"-v\d+$", "", env_id.rpartition("/")[2]).lower()


def _suggest_id(name: str, module: str) -> str:
    # Later ones win: other namespaces, then ids without one, then this package's; newer versions after older.
    ids = sorted(gym.registry, key=lambda i: (i.startswith("Reinstate/"), "/" not in i, gym.registry[i].version or 0))
    by_short_name = {_short(env_id): env_id for env_id in ids}
    close = difflib.get_close_matches(_short(name), by_short_name, n=1, cutoff=0.7)
    if close:
        return f" Did you mean {by_short_name[close[0]]!r}?"
    if module:
        return f" {module} ({getattr(sys.modules[module], '__file__', None)}) does not register it."
    if name.startswith("ALE/"):
        return f" {INSTALL['ale_py']} installs it; its id is then ale_py:{name}."
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
    """`gymnasium.make`, whose failures are explained.

    Raises:
        ValueError, TypeError, AssertionError: an option is refused; a ValueError names the option that the environment
            does not let go through, or a package that is missing.
        EnvError: making it failed otherwise.
    """
    try:
        return gym.make(spec, **options)
    except TypeError as error:
        for option in options:
            if f"multiple values for keyword argument '{option}'" in str(error):
                raise ValueError(f"{spec.id} sets {option} by itself: leave it out.") from error
        raise
    except (ValueError, AssertionError):
        raise
    except Exception as error:
        if (needed := missing(error)) is not None:
            raise ValueError(f"{spec.id} needs {needed}.") from error
        raise EnvError(f"{spec.id} cannot be made: {cause_of(error)}.") from error


def missing(error: BaseException) -> str | None:
    """The module that is missing, where it is imported, and how to install it; None if that is not why it failed."""
    for one in (error, error.__cause__):  # gymnasium's DependencyNotInstalled has the cause
        if isinstance(one, ModuleNotFoundError) and one.name:
            package, place = one.name.partition(".")[0], line_of(one)
            imported = f", which {place} imports" if place else ""
            return f"the module {package!r}{imported}: {INSTALL.get(package, f'pip install {package}')}"
    return None


def suggest(word: str, words: Iterable[str]) -> str:
    """A sentence with the nearest of the words, or nothing."""
    close = difflib.get_close_matches(word, list(words), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def creator_of(spec: EnvSpec) -> Callable[..., Any]:
    """The class or function that makes the environment; raises ValueError where it cannot be imported."""
    entry_point: str | Callable[..., Any] | None = spec.entry_point
    if entry_point is None:
        raise ValueError(f"{spec.id} is registered without an entry point.")
    if not isinstance(entry_point, str):
        return entry_point
    try:
        return load_env_creator(entry_point)
    except (Exception, SystemExit) as error:
        if (needed := missing(error)) is not None:
            raise ValueError(f"{spec.id} needs {needed}.") from error
        raise ValueError(f"{spec.id}: importing {entry_point} raised {cause_of(error)}.") from error


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
