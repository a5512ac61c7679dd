"""The agents on images: rollout equals replay, credit crosses chunks, and no image is kept but in the declared ring."""

import sys
from pathlib import Path

import gymnasium as gym
import pytest
import torch

import reinstate.envs  # noqa: F401
from reinstate.agents.baselines import LSTMAgent, MemorylessAgent
from reinstate.agents.encoders import GRID_CATEGORIES, ImageEncoder, ObservationSpec
from reinstate.agents.learner import build_learner, update, update_codec
from reinstate.agents.memory_agent import MemoryAgent, build_codec
from reinstate.agents.options import LearningOptions
from reinstate.agents.rollout import collect, start_collecting
from reinstate.memory.options import MemoryOptions
from reinstate.memory.store import bytes_per_slot

sys.path.insert(0, str(Path(__file__).parent))
from replaying import MANY, assert_replay_equals_rollout

NUM_ENVS, STEPS = 6, 16
TASKS = {
    "pixels": ("Reinstate/GridTMazeCrowdedPassive-v0", {"length": 4, "observation": "pixels"}, (56, 56, 3), 7),
    "key to door": ("Reinstate/KeyToDoor-v0", {"delay": 2}, (5, 5, 3), 4),
}


def learnt(task, name, chunks):
    """An agent after a few chunks, its environments and where they stand."""
    env, kwargs, shape, actions = TASKS[task]
    torch.manual_seed(0)
    spec = ObservationSpec("image", shape)
    if name == "memory":
        o = MemoryOptions(slots=8, codec_ring=512)
        agent = MemoryAgent(spec, actions, o, build_codec(spec, GRID_CATEGORIES, o))
    else:
        agent = {"lstm": LSTMAgent, "none": MemorylessAgent}[name](spec, actions)
    vector = gym.make_vec(env, NUM_ENVS, **kwargs)
    c = start_collecting(vector, agent, list(range(NUM_ENVS)), torch.Generator().manual_seed(0), 2.0)
    options = LearningOptions(chunk_steps=STEPS)
    learner = build_learner(agent, options, torch.Generator().manual_seed(0))
    for _ in range(chunks):
        chunk = collect(vector, agent, c, STEPS, MANY)
        update(agent, chunk, learner, options, 0.0)
        if name == "memory":
            update_codec(agent, chunk, learner.generator)
    return agent, vector, c


@pytest.mark.parametrize("name", ["memory", "lstm", "none"])
@pytest.mark.parametrize("task", TASKS)
def test_rollout_equals_replay(task, name):
    agent, vector, c = learnt(task, name, 3)
    assert_replay_equals_rollout(agent, vector, c, STEPS)


def test_older_slots_are_recalculated_once_the_codec_reads_them():
    agent, vector, c = learnt("key to door", "memory", 41)  # in the middle of the episodes of 32 steps
    memory = c.agent_state.memory
    assert (memory.fidelity[memory.written] == 1).float().mean() > 0.9
    chunk = collect(vector, agent, c, 2, MANY)
    o = LearningOptions(epochs=1)
    log = update(agent, chunk, build_learner(agent, o, torch.Generator().manual_seed(0)), o, 0.0)
    assert log["recalculation/codes"] > 0 and log["recalculation/share"] > 0.5


@pytest.mark.parametrize("task", TASKS)
def test_no_image_outlives_its_chunk_but_in_the_ring(task):
    agent, _, c = learnt(task, "memory", 2)
    memory, shape = c.agent_state.memory, TASKS[task][2]
    assert memory.observation is None and bytes_per_slot(memory) <= 256
    frames = agent.codec.ring.frames
    assert frames.shape == (512, *shape) and frames.dtype == torch.uint8
    kept = [*agent.parameters(), *agent.buffers()]
    for part in (agent.codec.autoencoder, *agent.codec.coders.values()):
        kept += [*part.parameters(), *part.buffers()]
    assert max(t.numel() for t in kept) < 64 * 49 * 16 + 1  # weights, no frames
    assert not any(t.dtype == torch.uint8 for t in kept)


def test_what_is_in_view_is_encoded_wherever_it_stands():
    torch.manual_seed(0)
    encoder = ImageEncoder((5, 5, 3), 16, anywhere=True)
    place = ImageEncoder((5, 5, 3), 16)
    place.load_state_dict({k: v for k, v in encoder.state_dict().items() if not k.startswith("anywhere")})
    frames = torch.randint(0, 256, (3, 5, 5, 3), dtype=torch.uint8)
    moved = frames.flatten(1, 2)[:, torch.randperm(25)].view_as(frames)  # the same cells elsewhere
    wherever, moved_too = (encoder(x) - place(x) for x in (frames, moved))
    torch.testing.assert_close(wherever, moved_too)
    assert (place(frames) - place(moved)).abs().max() > 1e-2 and (wherever[0] - wherever[1]).abs().max() > 1e-2
    few, many = torch.zeros(2, 25, 3, dtype=torch.uint8)
    few[:3], many[5:20] = 200, 200  # the same two kinds of cell: how many there are is no matter
    few, many = few.view(1, 5, 5, 3), many.view(1, 5, 5, 3)
    torch.testing.assert_close(encoder(few) - place(few), encoder(many) - place(many))


@pytest.mark.parametrize("compare", [False, True])
def test_images_that_are_compared_are_encoded_so(compare):
    spec, o = ObservationSpec("image", (5, 5, 3)), MemoryOptions(compare=compare)
    agent = MemoryAgent(spec, 4, o, build_codec(spec, (), o))
    assert (agent.embed[0].anywhere is not None) == compare
    assert agent.encode_state.observation.anywhere is None
