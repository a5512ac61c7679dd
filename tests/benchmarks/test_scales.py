"""The benchmark of scales: its table, and a short version of what it measures."""

from benchmarks.measures import scales


def test_the_table_compares_with_scale_1():
    def row(scale, seed, steps):
        return {"task": "bandit", "agent": "gru", "scale": scale, "seed": seed, "steps": steps}

    rows = [row(1.0, 1, 10_000), row(1.0, 2, 30_000), row(1e5, 1, 15_000), row(1e5, 2, 25_400), row(1e-3, 1, None)]
    assert scales.table(rows).splitlines()[-1] == "| bandit | gru | - | 10 30 (1.00) | 15 25 (1.01) |"


def test_a_bandit_with_large_observations_is_solved():
    """One seed, the quickest agent; 20,992 steps with small ones."""
    steps = scales.steps_until_solved("bandit", "none", 1e5, seed=1)
    assert steps is not None and steps <= 1.5 * 20_992
