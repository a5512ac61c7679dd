"""States as the tests need them: sent through a file, and compared to the bit."""

import json

from safetensors.torch import load, save

from reinstate.experiment.plain_state import join, split


def through_a_file(state):
    """What a checkpoint gives back of this state; raises TypeError where it holds anything but plain values."""
    tensors, rest = split(state)
    return join(load(save(tensors)), json.loads(json.dumps(rest)))


def assert_same_state(a, b):
    """Equal to the bit; NaN equals NaN."""
    (tensors, rest), (others, other_rest) = split(a), split(b)
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        other = others[name]
        assert tensor.dtype == other.dtype and tensor.shape == other.shape, name
        assert tensor.numpy().tobytes() == other.numpy().tobytes(), name
    assert json.dumps(rest) == json.dumps(other_rest)  # floats are written with all their digits
