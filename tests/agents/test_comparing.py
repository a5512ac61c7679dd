"""Comparing what is seen with what is remembered."""

import pytest
import torch

from reinstate.agents.extensions.comparing import distance
from tests.agents.playing import MODE_NAMES, NUM_ENVS, Play, build


def test_distances_are_those_of_each_head():
    read, present = torch.tensor([[1.0, 2.0, 0.0, -4.0]]), torch.tensor([[3.0, -1.0]])  # two heads, width 2
    assert distance(read, present).tolist() == [[2.0, 3.0, 3.0, 3.0]]


def test_what_is_compared_is_the_present_embedding():
    """Queries and heads depend on where the present embedding lies, and without --compare they do not."""
    features, slots = torch.randn(1, 64), torch.randn(1, 3, 16)
    everything = torch.ones(1, 3, dtype=torch.bool)
    here, there = torch.zeros(1, 16), torch.randn(1, 16)
    for compare in (False, True):
        agent = build(compare=compare)
        (x, weights), (y, others) = (agent.look(features, p, slots, everything) for p in (here, there))
        assert torch.equal(weights, others) != compare
        assert torch.equal(x, y) != compare
        if compare:
            assert torch.equal(y[:, 64 + 128 :], distance(y[:, 64 : 64 + 128], there))
        assert agent.heads.policy[0].in_features == x.shape[1]


@pytest.mark.parametrize("mode", MODE_NAMES)
def test_what_is_seen_reaches_the_embedding_network_where_it_is_compared(mode):
    """The gradient of policy and critic with respect to f, while the memory holds nothing that f wrote."""
    play = Play.begin(build(recalculation=mode, compare=True))
    inputs = play.collector.inputs(torch.arange(NUM_ENVS).numpy())
    present = play.agent._present(inputs.unique)
    assert present.requires_grad == (mode != "none")
    assert torch.equal(present, play.agent.embed(inputs.observation))
