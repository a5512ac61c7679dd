"""The README's learning curves from results.jsonl: `python benchmarks/recalculation/plot.py` (extra `plots`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from matplotlib.figure import Figure
from run import rows

LINES = {  # variant: label, colour
    "direct, to the end": ("recalculation on (direct)", "tab:blue"),
    "oracle": ("oracle: true observations kept", "tab:green"),
    "truncated": ("gradient cut at the chunk (truncated)", "tab:orange"),
    "none": ("recalculation off (none)", "tab:red"),
    "no memory": ("no memory", "tab:gray"),
}


@dataclass(frozen=True)
class Plot:
    """Draw the learning curves of the crowded T-Maze."""

    out: Path = Path(__file__).parents[2] / "docs" / "learning-curves.png"
    """The picture."""


def draw(results: list[dict[str, Any]], out: Path) -> None:
    """Success of the training episodes against environment steps, a line for each seed; a dot where it ended."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    for variant, (label, colour) in LINES.items():
        for r in (r for r in results if (r["task"], r["variant"]) == ("crowded", variant)):
            x, y = zip(*((step / 1e6, success) for step, success in r["curve"]), strict=True)
            axes.plot(x, y, color=colour, alpha=0.75, linewidth=1.4, label=label)
            axes.plot(x[-1], y[-1], "o", color=colour, markersize=4)
            label = None  # one entry for each variant
    axes.axhline(0.5, color="black", linewidth=0.6, linestyle=":")
    axes.set(xlabel="environment steps (millions)", ylabel="success of training episodes", ylim=(-0.02, 1.02))
    axes.set_title("Crowded T-Maze, length 100, chunks of at most 32 steps, 3 seeds each", fontsize=10)
    axes.legend(loc="center right", fontsize=8, frameon=False, bbox_to_anchor=(1.0, 0.68))
    out.parent.mkdir(exist_ok=True)
    figure.savefig(out, dpi=130)


if __name__ == "__main__":
    draw(rows(), tyro.cli(Plot).out)
