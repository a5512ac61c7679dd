"""The examples in docstrings, of every module of the package."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def name_of(path: Path) -> str:
    """The module's name: folders beside `reinstate` are installed inside it."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "reinstate" else ("reinstate", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [
    name_of(path)
    for folder in ("reinstate", "agents", "envs", "experiment", "memory")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if ">>>" in path.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0 and failed == 0
