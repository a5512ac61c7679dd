"""Success against delay, of the suite `delay`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.rows import ROOT, Row
from benchmarks.suite import Run
from benchmarks.training_runs import EPISODES

FILE = ROOT / "docs" / "success-against-delay.png"
COLOURS = {  # of the tasks' `series`
    "GridTMazePassive": "tab:blue",
    "GridTMazeActive": "tab:orange",
    "GridTMazeEndless": "tab:cyan",
    "TMazePassive": "tab:green",
    "TMazeActive": "tab:red",
    "KeyToDoor": "tab:purple",
    "KeyToDoor without apples": "tab:gray",
    "KeyToDoor priced": "tab:pink",
    "VisualMatchPassive": "tab:olive",
    "VisualMatchActive": "tab:brown",
    "VisualMatchActive after 5": "black",
}
TWO_EPISODES = ("GridTMazePassive", "GridTMazeActive", "TMazePassive", "TMazeActive")  # of a greedy policy: no interval
SURE = 1.96  # standard deviations: 95 %


def interval(rate: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate among `count` episodes."""
    z = SURE**2 / count
    centre = (rate + z / 2) / (1 + z)
    half = (rate * (1 - rate) * z + z**2 / 4) ** 0.5 / (1 + z)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def draw(rows: list[Row], runs: list[Run], file: Path) -> Figure:
    """Above, greedy success of the last checkpoint, a dot for each seed with its interval, a cross where a policy was
    played on a length that it was not trained on, a ring for agents without a memory; below, the episodes that learning
    took."""
    figure = Figure(figsize=(7, 5.5), layout="constrained")
    success, episodes = figure.subplots(2, 1, sharex=True)
    tasks = {run.task: run.fields for run in runs if "series" in run.fields}
    for series, colour in COLOURS.items():
        style: dict[str, Any] = {"color": colour, "alpha": 0.6}
        places = {task: fields["delay"] for task, fields in tasks.items() if fields["series"] == series}
        dots, rings = (
            [(delay, r) for task, delay in places.items() for r in rows if (r["task"], r["variant"]) == (task, variant)]
            for variant in ("default", "no memory")
        )
        for delay, r in rings:
            success.plot(delay, r["greedy"], "o", markerfacecolor="none", **style)
        if dots:
            success.plot([d for d, _ in dots], [r["greedy"] for _, r in dots], "o", label=series, **style)
            played = [(int(d), z["greedy"], z["episodes"]) for _, r in dots for d, z in r.get("zero_shot", {}).items()]
            success.plot([d for d, _, _ in played], [s for _, s, _ in played], "x", **style)
            points = [*((d, r["greedy"], EPISODES) for d, r in dots), *played]
            for delay, rate, count in points if series not in TWO_EPISODES else ():
                success.plot([delay, delay], interval(rate, count), "-", linewidth=1, **style)
            solved = [(d, r["episodes"]) for d, r in dots if r["greedy"] >= 0.95]
            episodes.plot([d for d, _ in solved], [e for _, e in solved], "o", **style)
    success.axhline(0.5, color="black", linewidth=0.6, linestyle=":", label="chance in a T-Maze")
    success.set(xscale="log", ylabel="greedy success", ylim=(-0.02, 1.05))
    success.legend(fontsize=8, frameon=False)
    episodes.set(xlabel="delay (steps)", ylabel="episodes to solve", yscale="log")
    figure.savefig(file, dpi=130)
    return figure
