"""Success against delay, from results.jsonl: `python benchmarks/delay/delay_plot.py` (extra `plots`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from ladder import RESULTS, RUNGS, WORTHLESS, Rung
from matplotlib.figure import Figure
from runs import EPISODES, read_rows

COLOURS = {
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
APART = ("without apples", "priced")  # kinds with a series of their own
TWO_EPISODES = ("GridTMazePassive", "GridTMazeActive", "TMazePassive", "TMazeActive")  # of a greedy policy: no interval
SURE = 1.96  # standard deviations: 95 %


@dataclass(frozen=True)
class Plot:
    """Draw success against delay."""

    out: Path = Path(__file__).parents[2] / "docs" / "success-against-delay.png"
    """The picture."""


def interval(rate: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate among `count` episodes."""
    z = SURE**2 / count
    centre = (rate + z / 2) / (1 + z)
    half = (rate * (1 - rate) * z + z**2 / 4) ** 0.5 / (1 + z)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def series(rung: Rung) -> str | None:
    """The series that a rung's dots belong to; None where success is not what the figure is about."""
    if rung.kind in WORTHLESS:
        return None
    if rung.after is not None:
        return f"{rung.env} after {rung.after.delay}"
    return f"{rung.env} {rung.kind}" if rung.kind in APART else rung.env


def draw(results: list[dict[str, Any]], out: Path) -> Figure:
    """Above, greedy success of the last checkpoint, a dot for each seed with its interval, a cross where a policy was
    played on a length that it was not trained on, a ring for agents without a memory; below, the episodes that learning
    took."""
    figure = Figure(figsize=(7, 5.5), layout="constrained")
    success, episodes = figure.subplots(2, 1, sharex=True)
    for env, colour in COLOURS.items():
        look: dict[str, Any] = {"color": colour, "alpha": 0.6}
        found = {
            variant: [
                (rung.delay, r)
                for rung in RUNGS
                for r in results
                if series(rung) == env and (r["task"], r["variant"]) == (rung.task, variant)
            ]
            for variant in ("default", "no memory")
        }
        for delay, r in found["no memory"]:
            success.plot(delay, r["greedy"], "o", markerfacecolor="none", **look)
        if found["default"]:
            delays, rows = zip(*found["default"], strict=True)
            success.plot(delays, [r["greedy"] for r in rows], "o", label=env, **look)
            played = [(int(d), z["greedy"], z["episodes"]) for r in rows for d, z in r.get("zero_shot", {}).items()]
            success.plot([d for d, _, _ in played], [s for _, s, _ in played], "x", **look)
            points = [*((d, r["greedy"], EPISODES) for d, r in found["default"]), *played]
            for delay, rate, count in points if env not in TWO_EPISODES else ():
                success.plot([delay, delay], interval(rate, count), "-", linewidth=1, **look)
            solved = [(d, r["episodes"]) for d, r in found["default"] if r["greedy"] >= 0.95]
            episodes.plot([d for d, _ in solved], [e for _, e in solved], "o", **look)
    success.axhline(0.5, color="black", linewidth=0.6, linestyle=":", label="chance in a T-Maze")
    success.set(xscale="log", ylabel="greedy success", ylim=(-0.02, 1.05))
    success.legend(fontsize=8, frameon=False)
    episodes.set(xlabel="delay (steps)", ylabel="episodes to solve", yscale="log")
    out.parent.mkdir(exist_ok=True)
    figure.savefig(out, dpi=130)
    return figure


if __name__ == "__main__":
    draw(read_rows(RESULTS), tyro.cli(Plot).out)
