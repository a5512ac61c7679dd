"""Rollout equals replay, for any agent: what is recomputed from what a chunk keeps is what was collected."""

import torch

from reinstate.agents.rollout import collect

MANY = 10_000  # decisions


def assert_replay_equals_rollout(agent, vector, c, steps):
    """Log-probabilities, values and scales of the next chunk's decisions again, so the first ratio is 1."""
    held = c.held
    chunk = collect(vector, agent, c, steps, MANY)
    replay = agent.replay(chunk, MANY, torch.Generator().manual_seed(0))
    p = replay.picked
    new = slice(0 if held is None else len(held.env), None)  # what was decided with older parameters comes first
    assert len(p) > steps and torch.equal(p, chunk.complete.nonzero()[:, 0])
    log_prob = torch.log_softmax(replay.logits, -1).gather(1, chunk.action[p, None])[:, 0]
    for again, collected in (
        (log_prob, chunk.log_prob[p]),
        (replay.value, chunk.value[p]),
        (replay.log_scale.exp(), chunk.scale[p]),
    ):
        torch.testing.assert_close(again[new], collected[new], atol=2e-5, rtol=1e-4)
