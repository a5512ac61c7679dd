"""Benchmarks, run from a checkout by `reinstate bench NAME` or `python -m benchmarks NAME`.

suites/      what is trained: data, one TOML file for each suite
measures/    what is measured beside training runs: one module for each measure
results/     the rows, one JSON object a line, and the tables made from them
figures/     the code of the figures
engine.py    skips what has a row, makes what is missing, writes the table and the figure
"""
