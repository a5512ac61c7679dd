"""The environments in plain Python, written independently of the compiled rules: the tests' oracle."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from tests.envs.reference import grid_tmaze, key_to_door, memory_chain, tmaze, umbrella_chain, visual_match

CLASSES: dict[str, type[gym.Env]] = {
    "GridTMazePassive": grid_tmaze.GridTMazePassive,
    "GridTMazeActive": grid_tmaze.GridTMazeActive,
    "GridTMazeCrowdedPassive": grid_tmaze.GridTMazePassive,
    "GridTMazeCrowdedActive": grid_tmaze.GridTMazeActive,
    "GridTMazeEndless": grid_tmaze.GridTMazeEndless,
    "TMazePassive": tmaze.TMazePassive,
    "TMazeActive": tmaze.TMazeActive,
    "MemoryChain": memory_chain.MemoryChain,
    "UmbrellaChain": umbrella_chain.UmbrellaChain,
    "KeyToDoor": key_to_door.KeyToDoor,
    "VisualMatchPassive": visual_match.VisualMatchPassive,
    "VisualMatchActive": visual_match.VisualMatchActive,
}


def make_reference(env_id: str, **options: Any) -> gym.Env:
    """The plain-Python environment of an id such as "Reinstate/KeyToDoor-v0"."""
    name = env_id.removeprefix("Reinstate/").removesuffix("-v0")
    crowded = {"distractors": 6} if "Crowded" in name else {}
    return CLASSES[name](**crowded | options)
