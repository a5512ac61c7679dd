"""The agents on images: rollout equals replay, credit crosses rollouts, and only the codec's frames keep images."""

import pytest
import torch

from reinstate.agents.build import KINDS
from reinstate.agents.networks import ImageEncoder, ObservationSpec
from reinstate.agents.ppo import update
from reinstate.envs.adapt import make_vector
from reinstate.memory.options import MemoryOptions
from reinstate.memory.slots import bytes_per_slot
from tests.agents.playing import STEPS, Play, assert_replay_equals_rollout, bare_learner

NUM_ENVS = 4
TASKS = {
    "pixels": ("Reinstate/GridTMazeCrowdedPassive-v0", {"length": 4, "observation": "pixels"}, (56, 56, 3), 7, 72),
    "key to door": ("Reinstate/KeyToDoor-v0", {"delay": 2}, (5, 5, 3), 4, 32),  # its episodes last 32 steps
}


def begin(task, name, **options):
    """An agent at play on images."""
    env, kwargs, shape, actions, _ = TASKS[task]
    torch.manual_seed(0)
    o = MemoryOptions(slots=8, codec_frames=512)
    agent = KINDS[name].make(ObservationSpec("image", shape), actions, o)
    return Play.begin(agent, envs=make_vector(env, NUM_ENVS, kwargs), **options)


def reads(codec, frames):
    """Whether its current version reads all these frames."""
    return bool((codec.current.fidelity(frames, codec.current.encode(frames)) == 1).all())


@pytest.mark.parametrize("name", ["memory", "lstm", "none"])
@pytest.mark.parametrize("task", TASKS)
def test_rollout_equals_replay(task, name):
    play = begin(task, name, epochs=1)
    play.learn(1)
    play.pass_time(TASKS[task][-1] - 2 * STEPS)
    assert_replay_equals_rollout(play, 2 * STEPS)


def test_older_slots_are_recalculated_once_the_codec_reads_them():
    play = begin("key to door", "memory", epochs=1)
    training, frames = play.learner.extras.side_learners[0].training, play.collect(96).inputs.observation
    training.frames.add(frames)
    for _ in range(30):
        training.train(20, play.learner.generator)
        if reads(play.agent.codec, frames):
            break
    play.pass_time(16)  # into the middle of the fourth episodes
    memory = play.memory
    assert (memory.fidelity[memory.written] == 1).float().mean() > 0.9
    log = update(play.agent, play.collect(2), bare_learner(play.agent, epochs=1), 0.0)
    assert log["recalculation/codes"] > 0 and log["recalculation/share"] > 0.5


@pytest.mark.parametrize("task", TASKS)
def test_no_image_outlives_its_rollout_but_in_the_codecs_frames(task):
    play = begin(task, "memory", epochs=1)
    play.learn(2)
    agent, shape = play.agent, TASKS[task][2]
    assert play.memory.observation is None and bytes_per_slot(play.memory) <= 256
    frames = play.frames.frames
    assert frames.shape == (512, *shape) and frames.dtype == torch.uint8
    kept = [*agent.parameters(), *agent.buffers()]
    for coder in agent.codec.coders.values():
        kept += [*coder.parameters(), *coder.buffers()]
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
    few[:3], many[5:20] = 200, 200  # the same two kinds of cell: how many there are makes no difference
    few, many = few.view(1, 5, 5, 3), many.view(1, 5, 5, 3)
    torch.testing.assert_close(encoder(few) - place(few), encoder(many) - place(many))


@pytest.mark.parametrize("compare", [False, True])
def test_images_that_are_compared_are_encoded_so(compare):
    agent = KINDS["memory"].make(ObservationSpec("image", (5, 5, 3)), 4, MemoryOptions(compare=compare))
    assert (agent.embed[0].anywhere is not None) == compare
    assert agent.encode_state.observation.anywhere is None
