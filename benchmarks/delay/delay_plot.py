"""Success against delay, from results.jsonl: `python benchmarks/delay/delay_plot.py` (extra `plots`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from ladder import RESULTS, RUNGS
from matplotlib.figure import Figure
from runs import read_rows

COLOURS = {
    "GridTMazePassive": "tab:blue",
    "GridTMazeActive": "tab:orange",
    "TMazePassive": "tab:green",
    "TMazeActive": "tab:red",
    "KeyToDoor": "tab:purple",
    "VisualMatchActive": "tab:brown",
}


@dataclass(frozen=True)
class Plot:
    """Draw success against delay."""

    out: Path = Path(__file__).parents[2] / "docs" / "success-against-delay.png"
    """The picture."""


def draw(results: list[dict[str, Any]], out: Path) -> None:
    """Above, greedy success of the last checkpoint, a dot for each seed (a cross where a policy was played on a length
    that it was not trained on); below, the episodes that it took."""
    figure = Figure(figsize=(7, 5.5), layout="constrained")
    success, episodes = figure.subplots(2, 1, sharex=True)
    for env, colour in COLOURS.items():
        found = [
            (rung.delay, r)
            for rung in RUNGS
            for r in results
            if rung.env == env and (r["task"], r["variant"]) == (rung.task, "default")
        ]
        if found:
            delays, rows = zip(*found, strict=True)
            success.plot(delays, [r["greedy"] for r in rows], "o", color=colour, alpha=0.6, label=env)
            played = [(int(d), z["greedy"]) for r in rows for d, z in r.get("zero_shot", {}).items()]
            success.plot([d for d, _ in played], [s for _, s in played], "x", color=colour, alpha=0.6)
            solved = [(d, r["episodes"]) for d, r in found if r["greedy"] >= 0.95]
            episodes.plot([d for d, _ in solved], [e for _, e in solved], "o", color=colour, alpha=0.6)
    success.axhline(0.5, color="black", linewidth=0.6, linestyle=":")
    success.set(xscale="log", ylabel="greedy success", ylim=(-0.02, 1.05))
    success.legend(fontsize=8, frameon=False)
    episodes.set(xlabel="delay (steps)", ylabel="episodes to solve", yscale="log")
    out.parent.mkdir(exist_ok=True)
    figure.savefig(out, dpi=130)


if __name__ == "__main__":
    draw(read_rows(RESULTS), tyro.cli(Plot).out)
