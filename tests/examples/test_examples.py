"""The examples run, and what they print and claim is so."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from reinstate.experiment.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def own_environment():
    return load("own_environment")


@pytest.fixture(scope="module")
def from_scratch():
    return load("recalculation_from_scratch")


@pytest.fixture(scope="module")
def reports(from_scratch):
    return from_scratch.main()


class TestRecalculationFromScratch:
    def test_it_learns_with_recalculation(self, reports):
        found = reports["recalculation"]
        assert found["success"] >= 0.95
        assert found["cells_read"] == 1.0 and found["cosine"] > 0.999

    def test_it_does_not_where_the_gradient_is_cut(self, reports):
        found = reports["gradient cut at the memory"]
        assert found["success"] <= 0.7
        assert found["cosine"] == 0.0 and found["cells_read"] == 1.0  # so the codec is not to blame

    def test_it_does_not_where_the_codec_does_not_read(self, reports):
        found = reports["recalculation from codes that do not read"]
        assert found["success"] <= 0.7
        assert found["cells_read"] < 0.5 and found["cosine"] < 0.99

    def test_it_prints_what_it_returns(self, from_scratch, capsys, monkeypatch):
        monkeypatch.setattr(from_scratch, "UPDATES", 10)
        reports = from_scratch.main()
        printed = capsys.readouterr().out
        assert "5 bytes of code and 32 of embedding" in printed and "after 100 steps" in printed
        for name, found in reports.items():
            (last,) = re.findall(rf"^{name}\n.*\n.*\n +10 +(.*)$", printed, re.MULTILINE)
            assert [float(x) for x in last.split()] == [round(x, 3) for x in found.values()]

    def test_no_more_than_a_part_goes_through_f_at_once(self, from_scratch):
        sizes = []

        class Watched(from_scratch.Embedding):
            def forward(self, scenes):
                sizes.append(len(scenes))
                return super().forward(scenes)

        n = from_scratch.B * from_scratch.N
        scenes = torch.randint(2, from_scratch.S, (n, from_scratch.C))
        from_scratch.recalculate(Watched(), scenes, torch.randn(n, from_scratch.D))
        assert sum(sizes) == n and max(sizes) <= from_scratch.PART < n


class TestOwnEnvironment:
    def test_it_is_an_environment(self, own_environment):
        check_env(own_environment.DelayedRecall(delay=3), skip_render_check=True)

    def test_the_reward_comes_after_the_delay_to_who_remembers(self, own_environment):
        env = gymnasium.make(own_environment.ID, delay=4)
        returns = {}
        for seed in range(20):
            observation, _ = env.reset(seed=seed)
            colour, rewards, ended = int(np.argmax(observation[:2])), [], False
            while not ended:
                observation, reward, ended, _, info = env.step(colour if seed % 2 == 0 else 1 - colour)
                rewards.append(reward)
                assert not observation[:2].any()
            assert len(rewards) == 5 and not any(rewards[:-1])
            assert info == {"is_success": seed % 2 == 0, "cue": colour}
            returns.setdefault((seed % 2, colour), []).append(rewards[-1])
        assert returns.keys() == {(0, 0), (0, 1), (1, 0), (1, 1)}
        assert all(set(r) == {float(k[0] == 0)} for k, r in returns.items())

    def test_a_memory_solves_it_and_without_one_it_stays_at_chance(self, own_environment, capsys):
        tiny = {"total_timesteps": 12_000, "eval_episodes": 10, "env_kwargs": {"delay": 10}}
        found = own_environment.main({**own_environment.BUDGET, **tiny})
        assert found["memory"] >= 0.95 and 0.3 <= found["none"] <= 0.7
        line = f"greedy success with a memory {found['memory']:.2f}, without {found['none']:.2f}"
        assert capsys.readouterr().out.splitlines()[-1] == line

    def test_the_command_of_the_page_imports_the_module(self, own_environment, tmp_path, monkeypatch):
        monkeypatch.delitem(gymnasium.registry, own_environment.ID)
        monkeypatch.delitem(sys.modules, "own_environment")
        monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder not in ("", str(EXAMPLES))])
        monkeypatch.chdir(EXAMPLES)
        (words,) = re.findall(r"`reinstate (train --env \S+)`", own_environment.__doc__)
        tiny = "--total-timesteps 64 --num-envs 2 --eval-episodes 2 --rollout-steps 16 --run-dir".split()
        assert main([*words.split(), *tiny, str(tmp_path / "run")]) == 0
