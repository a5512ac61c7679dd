"""Speeds are measured, and what their tables say."""

import pytest

from benchmarks.measures import env_speed, train_speed


def test_training_speed(monkeypatch):
    monkeypatch.setattr(train_speed, "peer", lambda seconds: 100.0)
    for name, value in (("WARM_UP", 0.3), ("SECONDS", 0.3), ("LENGTHS", (4,))):
        monkeypatch.setattr(train_speed, name, value)
    rows = list(train_speed.rows({"peer": "RecurrentPPO"}))
    assert [r["length"] for r in rows] == [100, 4]
    for r in rows:
        assert r["ratio"] == pytest.approx(r["steps_per_second"] / 100, abs=0.1)
    assert train_speed.table(rows).splitlines()[3].startswith("| does not walk yet | 4 | ")


def test_environment_speed(monkeypatch):
    monkeypatch.setattr(env_speed, "cold_and_warm", lambda case: [12.34, 0.56])
    monkeypatch.setattr(env_speed, "one_core", lambda: None)  # would hold for all tests after this one
    monkeypatch.setattr(env_speed, "SECONDS", 0.02)
    cells = [{"environment": name} for name in ("MemoryS13, symbolic", "KeyToDoor, delay 1000")]
    found = [row for cell in cells for row in env_speed.rows(cell)]
    lines = [line.split(" | ") for line in env_speed.table(found).splitlines()]
    assert len({len(line) for line in (lines[0], *lines[2:])}) == 1
    assert [line[0] for line in lines[2:]] == ["| MemoryS13, symbolic", "| KeyToDoor, delay 1000"]
    for line in lines[2:]:
        speed, other = (int(cell.replace(",", "")) for cell in line[2:4])
        assert float(line[4]) == pytest.approx(speed / other, rel=0.02, abs=0.06)  # the cells are rounded
        assert line[-2:] == ["12.3", "0.6 |"]
    assert lines[3][5:9] == ["-"] * 4, "no peer has this task"


def test_a_failing_peer_is_told_from_a_missing_one(tmp_path):
    case, python = env_speed.CASES["MemoryS13, symbolic"], tmp_path / "python"
    for answer, expected in (("echo 12.5", 12.5), ("echo ModuleNotFoundError >&2; exit 1", "not installed")):
        python.write_text(f"#!/bin/sh\n{answer}\n")
        python.chmod(0o755)
        assert env_speed.peer("envpool", case, 1.0, python) == expected
    python.write_text("#!/bin/sh\necho broken >&2; exit 1\n")
    with pytest.raises(RuntimeError, match="envpool failed:\nbroken"):
        env_speed.peer("envpool", case, 1.0, python)


@pytest.mark.slow
def test_first_compile_is_short():
    for name in ("MemoryS13, pixels 56x56x3", "GridTMazeEndless, length 20", "KeyToDoor, delay 1000"):
        cold, warm = env_speed.cold_and_warm(env_speed.CASES[name])
        assert warm < cold < 30
