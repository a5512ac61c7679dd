"""Which observation spaces the agents read."""

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete

from reinstate.experiment.build import observation_spec
from reinstate.experiment.errors import UserError


@pytest.mark.parametrize("shape", [(5, 5, 3), (56, 56, 3), (84, 84, 3), (64, 96, 3)])
def test_rgb_images(shape):
    spec = observation_spec(Box(0, 255, shape, np.uint8))
    assert (spec.kind, spec.shape) == ("image", shape)
    assert spec.zero().shape == shape and str(spec.zero().dtype) == "torch.uint8"


def test_symbols_and_vectors_are_not_images():
    assert observation_spec(Box(0, 10, (7, 7, 3), np.uint8)).kind == "grid"
    assert observation_spec(Box(-1, 1, (4,), np.float32)).kind == "vector"


@pytest.mark.parametrize(
    "space",
    [
        Box(0, 255, (84, 84), np.uint8),
        Box(0, 255, (84, 84, 1), np.uint8),
        Box(0, 255, (4, 84, 84, 3), np.uint8),
        Box(0, 255, (3, 84, 84), np.uint8),
        Box(0, 99, (84, 84, 3), np.uint8),
        Box(0, 1, (84, 84, 3), np.float32),
        Discrete(5),
        Dict({"image": Box(0, 255, (84, 84, 3), np.uint8)}),
    ],
    ids=str,
)
def test_others_are_refused_in_a_sentence_that_says_what_is_read(space):
    with pytest.raises(UserError, match=r"not supported: symbolic grids, RGB images \(uint8, .* vectors are$"):
        observation_spec(space)
