"""Every command with its output closed, full, or read by nobody: no traceback, and the right exit code."""

import io
import shlex
import subprocess
import sys

import pytest

from reinstate.experiment.standard_streams import guarded


def shell(line: str, tmp_path) -> tuple[int, str, str]:
    """Runs a line of bash, in which `reinstate` is the command; returns the exit code of its first part, and what was
    printed to standard output and error."""
    first, *rest = line.split("|")
    line = "|".join([f"{shlex.quote(sys.executable)} -m {first}", *rest]) + "; exit ${PIPESTATUS[0]}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=tmp_path, timeout=200)
    return done.returncode, done.stdout, done.stderr


FULL = "error: the output cannot be written (No space left on device)\n"


@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        ("reinstate train --help > /dev/full", 1, FULL),
        pytest.param("reinstate train --help | head -1", 141, "", marks=pytest.mark.slow),
        pytest.param("reinstate trian 2> /dev/full", 2, "", marks=pytest.mark.slow),
        ("reinstate trian >&- 2>&- <&-", 2, ""),
        pytest.param("reinstate train --slots 1.5 2>&-", 2, "", marks=pytest.mark.slow),
        pytest.param("reinstate play Reinstate/TMazePassive-v0 <&-", 0, "", marks=pytest.mark.slow),
    ],
)
def test_streams_that_are_closed_or_full(tmp_path, line, code, error):
    found = shell(line, tmp_path)
    assert found[0] == code and found[2] == error


@pytest.mark.parametrize("command", ["evaluate {}", "evaluate {} --json", "inspect {}"])
@pytest.mark.parametrize(("output", "code", "error"), [("> /dev/full", 1, FULL), (">&-", 0, ""), ("2>&-", 0, "")])
@pytest.mark.slow
def test_the_commands_for_a_run(memory_run, tmp_path, command, output, code, error):
    words = command.format(memory_run) + (f" --output {tmp_path}/page.html" if "inspect" in command else "")
    found = shell(f"reinstate {words} {output}", tmp_path)
    assert found[0] == code and found[2] == error


@pytest.mark.slow
@pytest.mark.parametrize(("output", "code", "error"), [("> /dev/full", 1, FULL), ("| head -0", 141, "")])
def test_the_list_of_benchmarks(tmp_path, output, code, error):
    found = shell(f"reinstate bench {output}", tmp_path)
    assert found[0] == code and found[2] == error


@pytest.mark.slow
def test_a_folder_whose_name_is_no_text(tmp_path):
    code, _, error = shell(r"reinstate evaluate $'\xff'", tmp_path)
    assert code == 2 and error.count("\n") == 1 and "is no run folder" in error
    flags = "--env Reinstate/TMazePassive-v0 --total-timesteps 64 --num-envs 4 --eval-episodes 2 --agent none"
    code, _, error = shell(rf"reinstate train {flags} --run-dir $'\xff'", tmp_path)
    assert code in (0, 2) and "Traceback" not in error


class Broken(io.StringIO):
    def write(self, text):
        raise OSError(5, "Input/output error")

    def fileno(self):
        return self.null.fileno()


def test_what_the_command_raises_is_not_hidden(tmp_path, monkeypatch, capsys):
    def fails():
        raise OSError(5, "of another file")

    with pytest.raises(OSError, match="of another file"):
        guarded(fails)
    with pytest.raises(SystemExit):
        guarded(lambda: sys.exit(3))
    assert guarded(lambda: 7) == 7


def test_an_output_that_breaks_in_the_middle(tmp_path, monkeypatch, capsys):
    broken = Broken()
    broken.null = (tmp_path / "null").open("w")
    monkeypatch.setattr(sys, "stdout", broken)
    assert guarded(lambda: print("a line") or 0) == 1
    assert capsys.readouterr().err == "error: the output cannot be written (Input/output error)\n"
    monkeypatch.undo()
    monkeypatch.setattr(sys, "stderr", broken)
    assert guarded(lambda: print("a line", file=sys.stderr) or 0) == 0
