"""Figures of the suites. A module has `FILE` and `draw`; it needs matplotlib."""
