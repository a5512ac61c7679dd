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


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.split()[1] == "train" and "--resume" not in c])
def test_train_commands(tmp_path, command):
    assert main([*shlex.split(command)[1:], *TINY, "--run-dir", str(tmp_path / "run")]) == 0


def test_resume_commands(memory_run, tmp_path):
    run = shutil.copytree(memory_run, tmp_path / "run")
    (command,) = (c for c in COMMANDS if "--resume" in c)
    words = [str(run) if w == "runs/first" else "384" if w == "1e7" else w for w in shlex.split(command)[1:]]
    assert main(words) == 0


def tiny(command: str, run: Path) -> list[str]:
    """The words of a command about `runs/first`, with that run in its place, and few short episodes."""
    words = [str(run) if w == "runs/first" else "1" if w == "20" else w for w in shlex.split(command)[1:]]
    return ["length=10" if w.startswith("length=") else w for w in words]


def test_evaluate_commands(memory_run):
    for command in (c for c in COMMANDS if c.split()[1] == "evaluate"):
        assert main(tiny(command, memory_run)) == 0


def test_inspect_commands(memory_run, tmp_path):
    run = shutil.copytree(memory_run, tmp_path / "run")
    for command in (c for c in COMMANDS if c.split()[1] == "inspect"):
        assert main(tiny(command, run)) == 0
    assert (run / "inspect.html").is_file()


def test_play_commands(monkeypatch, capsys):
    for command in (c for c in COMMANDS if c.split()[1] == "play"):
        monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
        assert main(shlex.split(command)[1:]) == 0
        assert capsys.readouterr().out.startswith("keys: ")


def test_the_python_lines(tmp_path, monkeypatch, capsys):
    """Both programs, with fewer steps."""
    monkeypatch.chdir(tmp_path)
    programs = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(programs) == 2
    for program in programs:
        short, count = re.subn(r"total_timesteps=\d+_000", "total_timesteps=640, eval_episodes=1", program)
        assert count == 1
        exec(short, {})
    assert "'success_rate'" in capsys.readouterr().out
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_make_targets_exist():
    targets = re.findall(r"(?:^|`)make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert set(targets) == {"train", "test", "bench"}
    assert all(re.search(rf"^{t}:", makefile, re.MULTILINE) for t in targets)
