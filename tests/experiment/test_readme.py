"""Every command that the README shows is run."""

import io
import re
import shlex
import shutil
from pathlib import Path

import pytest

from reinstate.experiment.cli import main

ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(
    r"^(reinstate (?:train|evaluate|inspect|play) .*)$", (ROOT / "README.md").read_text(), re.MULTILINE
)
TINY = "--total-timesteps 64 --num-envs 2 --eval-episodes 1 --rollout-steps 16".split()


def test_there_are_commands_of_every_kind():
    assert {c.split()[1] for c in COMMANDS} == {"train", "evaluate", "inspect", "play"}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.split()[1] == "train"])
def test_train_commands(tmp_path, command):
    assert main([*shlex.split(command)[1:], *TINY, "--run-dir", str(tmp_path / "run")]) == 0


def test_evaluate_commands(memory_run):
    for command in (c for c in COMMANDS if c.split()[1] == "evaluate"):
        words = [str(memory_run) if w == "runs/NAME" else "2" if w == "200" else w for w in shlex.split(command)[1:]]
        assert main(words) == 0


def test_inspect_commands(memory_run, tmp_path):
    run = shutil.copytree(memory_run, tmp_path / "run")
    for command in (c for c in COMMANDS if c.split()[1] == "inspect"):
        assert main([str(run) if w == "runs/NAME" else w for w in shlex.split(command)[1:]]) == 0
    assert (run / "inspect.html").is_file()


def test_play_commands(monkeypatch, capsys):
    for command in (c for c in COMMANDS if c.split()[1] == "play"):
        monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
        assert main(shlex.split(command)[1:]) == 0
        assert capsys.readouterr().out.startswith("keys: ")


def test_the_python_lines(memory_run, capsys):
    (lines,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    exec(lines.replace("runs/NAME", str(memory_run)), {})
    assert "'success_rate'" in capsys.readouterr().out


def test_make_targets_exist():
    targets = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert targets == ["train", "test", "bench"]
    assert all(re.search(rf"^{t}:", makefile, re.MULTILINE) for t in targets)
