"""What agents read, and environments that fail before anything is written."""

import copy

import numpy as np
import pytest
from gymnasium.spaces import Box

from reinstate.envs.adapt import make_vector
from reinstate.envs.engine.grid import SymbolBox
from reinstate.experiment.build import observation_spec


@pytest.mark.parametrize("shape", [(5, 5, 3), (56, 56, 3), (84, 84, 1), (64, 96, 12)])
@pytest.mark.parametrize("high", [1, 10, 255])
def test_arrays_of_bytes_are_images(shape, high):
    spec = observation_spec(Box(0, high, shape, np.uint8))
    assert (spec.kind, spec.shape) == ("image", shape)
    assert spec.zero().shape == shape and str(spec.zero().dtype) == "torch.uint8"


def test_symbols_are_known_by_their_type_and_vectors_by_theirs():
    space = SymbolBox((7, 7, 3))
    assert observation_spec(space).kind == observation_spec(copy.deepcopy(space)).kind == "grid"
    assert space == Box(0, 10, (7, 7, 3), np.uint8), "equal, and yet not symbols"
    assert observation_spec(Box(-1, 1, (4,), np.float32)).kind == "vector"


@pytest.mark.parametrize("env_id", ["Reinstate/GridTMazePassive-v0", "MiniGrid-Empty-5x5-v0"])
@pytest.mark.parametrize("num_envs", [1, 3])
def test_batches_of_symbols_and_of_pixels(env_id, num_envs):
    symbols = make_vector(env_id, num_envs)
    pixels = make_vector(env_id, num_envs, {"observation": "pixels"})
    assert observation_spec(symbols.single_observation_space).kind == "grid"
    assert observation_spec(pixels.single_observation_space).kind == "image"


def test_others_are_symbols_too_where_they_are_minigrids():
    with pytest.warns(UserWarning, match="runs slowly"):
        envs = make_vector("MiniGrid-Dynamic-Obstacles-5x5-v0", 2)
    assert observation_spec(envs.single_observation_space).kind == "grid"
    assert observation_spec(make_vector("CartPole-v1", 2).single_observation_space).kind == "vector"
