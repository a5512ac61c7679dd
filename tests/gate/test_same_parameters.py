"""What is learnt stays the same, to the bit (slow)."""

import importlib.util
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("same_parameters", Path(__file__).with_name("same_parameters.py"))
gate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gate)


@pytest.mark.slow
@pytest.mark.parametrize("name", gate.RUNS)
def test_the_parameters_are_those_recorded(name):
    recorded = gate.recorded()
    if recorded["machine"] != gate.machine():
        pytest.skip(f"the hashes were recorded on {recorded['machine']}, and bits differ between machines")
    assert gate.run(gate.RUNS[name]) == recorded["hashes"][name]
