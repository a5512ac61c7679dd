"""Training as a value: what is saved is all that the next step needs."""

import json
import shutil

import pytest
import torch

from reinstate.agents.options import LearningOptions
from reinstate.agents.rollout import EpisodeEnd
from reinstate.experiment.build import untrained
from reinstate.experiment.metrics import Metrics
from reinstate.experiment.options import RunOptions
from reinstate.experiment.plain_state import join, split
from reinstate.experiment.trainer import Trainer
from reinstate.memory.options import MemoryOptions

SMALL = {"rollout_steps": 8, "rollout_decisions": 8, "replay_size": 64, "replay_batch": 8}


def trainer(agent="memory", env="Reinstate/GridTMazePassive-v0", stagger_steps=0, memory=None, **learning):
    options = RunOptions(
        env=env,
        env_kwargs=("length=4",),
        agent=agent,
        num_envs=4,
        total_timesteps=10_000,
        stagger_steps=stagger_steps,
        memory=MemoryOptions(**(memory or {})),
        learning=LearningOptions(**(SMALL | learning)),
    )
    return Trainer(options, untrained(options))


@pytest.mark.parametrize(
    ("agent", "env", "learning"),
    [
        ("memory", "Reinstate/MemoryChain-v0", {"credit": "synthetic"}),  # episodes end, and are replayed
        ("memory", "Reinstate/GridTMazePassive-v0", {}),  # actions are repeated, and rollouts end in the middle of that
        ("lstm", "Reinstate/GridTMazePassive-v0", {}),
    ],
)
def test_a_trainer_goes_on_from_its_state_as_if_nothing_had_been(agent, env, learning):
    """Saved after a few rollouts, through JSON and tensors, into a trainer that is somewhere else."""
    first, second = trainer(agent, env, **learning), trainer(agent, env, **learning)
    for _ in range(3):
        first.step()
    second.step()
    tensors, rest = split(first.state_dict())
    second.load_state_dict(join(tensors, json.loads(json.dumps(rest))))
    assert second.steps_done == first.steps_done
    for _ in range(2):
        assert repr(first.step()) == repr(second.step())  # as text: NaN is then equal to itself
    after, _ = split(first.state_dict())
    again, _ = split(second.state_dict())
    assert after.keys() == again.keys()
    assert all(torch.equal(after[key].nan_to_num(), again[key].nan_to_num()) for key in after)
    for t in (first, second):
        t.envs.close()


@pytest.mark.parametrize(
    ("memory", "slot"), [({}, 142), ({"check_cosine": True}, 142), ({"recalculation": "oracle"}, 289)]
)
def test_what_finished_episodes_take(memory, slot):
    """Observations of 7x7x3 bytes are kept there for the oracle alone."""
    t = trainer(memory=memory, replay_size=4096)
    line = f"the slots of the last 4,096 finished episodes take up to {slot * 32 * 4096 / 1e6:.1f} MB"
    assert line in t.describe()
    t.envs.close()


def test_staggered_resets_count_as_steps_and_put_episodes_out_of_phase():
    t = trainer("none", stagger_steps=5)
    assert t.steps_done == 20
    assert len(set(t.collector.lengths.tolist())) > 1
    t.envs.close()


def test_metrics_go_on_from_their_state(tmp_path):
    ends = [EpisodeEnd(1.0, 5, True, 0, env=0, at=20), EpisodeEnd(0.0, 7, None, None, env=1, at=28)]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = Metrics(tmp_path / "a", {"num_envs": 2}), Metrics(tmp_path / "b", {"num_envs": 2})
    first.open()
    first.note_episodes(ends)
    first.note({"x": 1.0, "nothing": float("nan")})
    first.note({"x": 2.0})
    state = json.loads(json.dumps(first.state_dict()))
    first.write(20)  # lost with the session
    shutil.copytree(tmp_path / "a", tmp_path / "b", dirs_exist_ok=True)
    first.load_state_dict(state)
    second.load_state_dict(state)
    second.open()
    assert (tmp_path / "b" / "metrics.jsonl").read_text() == ""
    written = second.write(28)
    assert written == first.write(28)
    assert written == {
        "x": 1.5,
        "rollout/ep_rew_mean": 0.5,
        "rollout/ep_len_mean": 6.0,
        "rollout/success_rate": 1.0,
    }
    assert second.episodes == 2
    for metrics in (first, second):
        metrics.close()
