"""One thread for torch: batches are small, and more threads wait for each other. No deadline: a first call compiles."""

import copy

import hypothesis
import pytest
import torch

torch.set_num_threads(1)
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def trained_once():
    """A memory agent at play, trained until its codec reads all that it writes. Tests take copies of it: `trained`."""
    from tests.agents.playing import Play, build

    play = Play.begin(build(), epochs=1)
    play.learn(12, steps=20)
    assert play.memory.written.any() and (play.memory.fidelity[play.memory.written] == 1).all()
    assert play.replay.buffer.size >= 18 and play.frames.size > 100
    return play


@pytest.fixture
def trained(trained_once):
    """A copy of its own of the trained agent at play."""
    return copy.deepcopy(trained_once)
