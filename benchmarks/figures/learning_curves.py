"""The README's learning curves, of the suite `recalculation`."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.rows import ROOT, Row
from benchmarks.suite import Run

FILE = ROOT / "docs" / "learning-curves.png"
LINES = {  # variant: label, colour
    "direct, to the end": ("recalculation on (direct)", "tab:blue"),
    "oracle": ("oracle: true observations kept", "tab:green"),
    "truncated": ("gradient cut at the rollout (truncated)", "tab:orange"),
    "none": ("recalculation off (none)", "tab:red"),
    "no memory": ("no memory", "tab:gray"),
}


def draw(rows: list[Row], runs: list[Run], file: Path) -> Figure:
    """Success of the training episodes against environment steps, a line for each seed; a dot where it ended."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    for variant, (label, colour) in LINES.items():
        for i, r in enumerate(r for r in rows if (r["task"], r["variant"]) == ("crowded", variant)):
            x, y = zip(*((step / 1e6, success) for step, success in r["curve"]), strict=True)
            first = None if i else label  # one entry of the legend for each variant
            axes.plot(x, y, color=colour, alpha=0.75, linewidth=1.4, label=first)
            axes.plot(x[-1], y[-1], "o", color=colour, markersize=4)
    axes.axhline(0.5, color="black", linewidth=0.6, linestyle=":")
    axes.set(xlabel="environment steps (millions)", ylabel="success of training episodes", ylim=(-0.02, 1.02))
    axes.set_title("Crowded T-Maze, length 100, rollouts of at most 32 steps, 3 seeds each", fontsize=10)
    axes.legend(loc="center right", fontsize=8, frameon=False, bbox_to_anchor=(1.0, 0.68))
    figure.savefig(file, dpi=130)
    return figure
