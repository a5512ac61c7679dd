"""docs/architecture.md is true: who imports whom, and the files and names that it mentions exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
SECTION = PAGE.partition("## Who may import whom")[2].partition("\n## ")[0]
ALLOWED = {
    folder: set(re.findall(r"`([a-z]+)`", allowed))
    for folder, allowed in re.findall(r"^\| `([a-z]+)` \| (.*) \|$", SECTION, re.MULTILINE)
}


def imported(path: Path) -> set[str]:
    """The folders of this project whose modules a file imports."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # `from reinstate import envs` names a folder, `from reinstate import evaluate` a public name
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    parts = [name.split(".") for name in names if name.split(".")[0] == "reinstate"]
    return {part[1] if len(part) > 1 and part[1] in {*ALLOWED, "compiled"} else "reinstate" for part in parts}


@pytest.mark.parametrize("folder", ALLOWED)
def test_arrows(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    wrong = {str(f.relative_to(ROOT)): extra for f in files if (extra := imported(f) - ALLOWED[folder])}
    assert not wrong


def test_every_folder_with_product_code_is_in_the_table():
    assert ALLOWED.keys() == {"memory", "agents", "envs", "experiment", "reinstate", "examples"}


def test_an_import_against_the_arrows_is_found(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("import reinstate.envs.seeds\ndef f():\n    from reinstate.agents.ppo import update\n")
    assert imported(path) == {"envs", "agents"}


def test_every_file_that_the_page_names_exists():
    listed = re.findall(r"^\| `([a-z_/]+)/` \| (.*) \|$", PAGE, re.MULTILINE)  # the table of folders
    assert len(listed) >= 8
    named = [f"{folder}/{file}" for folder, text in listed for file in re.findall(r"`([a-z_]+\.py)`", text)]
    named += re.findall(r"\b((?:memory|agents|envs|experiment|benchmarks)/[a-z_/]+\.py)", PAGE)
    assert len(named) > 40
    assert not [name for name in named if not (ROOT / name).is_file()]


def test_every_class_that_the_page_names_exists():
    code = "\n".join(
        f.read_text() for folder in ("memory", "agents", "experiment") for f in (ROOT / folder).rglob("*.py")
    )
    defined = set(re.findall(r"^class (\w+)", code, re.MULTILINE))
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z]?\w*)(?:\.\w+)?`", PAGE))
    assert {"MemoryAgent", "LossTerm"} <= named
    assert named <= defined
