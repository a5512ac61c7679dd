"""What a run folder is called and what it records."""

import datetime
import json

import reinstate.agents.ppo
from reinstate.agents.options import LearningOptions
from reinstate.experiment import run_folder
from reinstate.experiment.constants import constants
from reinstate.experiment.options import RunOptions
from reinstate.memory.options import MemoryOptions


def test_runs_of_the_same_second_have_folders_of_their_own(tmp_path, monkeypatch):
    class Stopped(datetime.datetime):
        now = classmethod(lambda cls, zone: cls(2026, 1, 2, 3, 4, 5, tzinfo=zone))

    monkeypatch.setattr(run_folder.datetime, "datetime", Stopped)
    monkeypatch.chdir(tmp_path)
    for end in ("", "_2", "_3"):
        folder = run_folder.default_run_dir(RunOptions())
        assert folder.name == f"Reinstate-GridTMazeCrowdedPassive-v0__run__s1__20260102T030405Z{end}"
        run_folder.create(folder, RunOptions(), [])


def test_options_survive_the_config_file():
    options = RunOptions(
        env_kwargs=("length=9",),
        stop_at_success=0.5,
        memory=MemoryOptions(slots=3),
        learning=LearningOptions(horizon=0.7),
    )
    assert RunOptions.from_json(json.loads(json.dumps(options.to_json()))) == options


def test_the_numbers_in_the_code_are_recorded(memory_run):
    recorded = json.loads((memory_run / "constants.json").read_text())
    assert recorded["agents.ppo.BETAS"] == [0.9, 0.99]
    wanted = "agents.heads.LOGIT_CAP agents.heads.TIME_SCALES agents.networks.STATE_WIDTH agents.ppo.WROTE_SHARE"
    wanted += " agents.action_repeat.GROWTH agents.extensions.synthetic_returns.SPREAD memory.codec.tile.LEARNING_RATE"
    assert set(wanted.split()) <= recorded.keys()
    assert "agents.collector.GROWTH" not in recorded  # imported there, set elsewhere
    assert not any(name.endswith((".CELLS", ".KINDS", ".MODES", ".ARRAYS")) for name in recorded)  # no numbers


def test_a_number_that_changes_is_recorded_as_it_is(monkeypatch):
    monkeypatch.setattr(reinstate.agents.ppo, "BETAS", (0.8, 0.9))
    assert constants()["agents.ppo.BETAS"] == [0.8, 0.9]
