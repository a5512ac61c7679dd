"""The figures are drawn from rows."""

import pytest

from benchmarks.figures import learning_curves, success_against_delay
from benchmarks.figures.success_against_delay import EPISODES, draw, interval
from benchmarks.suite import FOLDER, Run, load

RUNS = load(FOLDER / "delay.toml").runs


def test_every_series_has_a_colour():
    assert {run.fields["series"] for run in RUNS if "series" in run.fields} == set(success_against_delay.COLOURS)


def test_a_key_that_is_worth_nothing_is_not_in_the_figure():
    for run in RUNS:
        assert ("yoked" in run.task or run.task == "MiniGrid-MemoryS13") == ("series" not in run.fields)
        if "series" in run.fields:
            delay = f"{run.fields['delay']:,}"
            series = run.fields["series"]
            assert run.task.replace(" ni2023", "") in (f"{series} {delay}", series.replace(" after", f" {delay} after"))
            for part in ("without apples", "priced"):  # with a series of their own
                assert (part in run.task) == (part in series)


def test_success_against_delay(tmp_path, monkeypatch):
    shown = Run("GridTMazePassive 4", "default", 1, "", fields={"series": "GridTMazePassive", "delay": 4})
    yoked = Run("GridTMazePassive yoked 4", "default", 1, "", fields={"delay": 4})
    row = {"task": shown.task, "variant": "default", "greedy": 1.0, "episodes": 7}
    row |= {"zero_shot": {"9": {"greedy": 0.25, "episodes": 20}}}
    rows = [row, row | {"variant": "no memory", "greedy": 0.5}, row | {"task": yoked.task, "greedy": 0.3}]
    success, _ = draw(rows, [shown, yoked], tmp_path / "delay.png").axes
    assert len(success.lines) == 4  # ring, dot, cross and the line of chance: of two episodes there is no interval
    monkeypatch.setattr(success_against_delay, "TWO_EPISODES", ())
    success, episodes = draw(rows, [shown, yoked], tmp_path / "delay.png").axes
    ring, dot, cross, *bars = (line.get_xydata().tolist() for line in success.lines)
    assert ring == [[4, 0.5]] and dot == [[4, 1.0]] and cross == [[9, 0.25]]
    assert [bar[0][0] for bar in bars[:2]] == [4, 9] and bars[0][1][1] == 1.0
    assert [(low, high) for (_, low), (_, high) in bars[:2]] == [  # a thousand episodes after a run, twenty played
        interval(rate, count) for rate, count in ((1.0, EPISODES), (0.25, 20))
    ]
    assert episodes.lines[0].get_xydata().tolist() == [[4, 7]]
    assert (tmp_path / "delay.png").stat().st_size > 1000


def test_wilsons_interval_by_hand():
    """8 of 10: (0.8 + 0.19208) / 1.38416 +- 1.96 sqrt(0.016 + 0.0096) / 1.38416 (z^2 / n = 0.38416)."""
    assert interval(0.8, 10) == pytest.approx((0.49016, 0.94332), abs=1e-4)
    assert interval(1.0, 10) == (pytest.approx(1 / 1.38416), 1.0)
    assert interval(0.0, 10) == (0.0, pytest.approx(0.38416 / 1.38416))


def test_learning_curves(tmp_path):
    rows = [{"task": "crowded", "variant": v, "curve": [[50_000, 0.0], [100_000, 0.5]]} for v in learning_curves.LINES]
    (axes,) = learning_curves.draw(rows, [], tmp_path / "curves.png").axes
    assert len(axes.lines) == 2 * len(rows) + 1 and axes.lines[0].get_xydata().tolist() == [[0.05, 0.0], [0.1, 0.5]]
    assert (tmp_path / "curves.png").stat().st_size > 1000
