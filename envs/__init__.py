"""Reinstate's environments. Importing this package registers them with gymnasium.

>>> import gymnasium, reinstate
>>> env = gymnasium.make("Reinstate/TMazePassive-v0", length=10)
>>> batch = gymnasium.make_vec("Reinstate/GridTMazeActive-v0", num_envs=4, length=10)
>>> batch.reset(seed=0)[0].shape
(4, 7, 7, 3)

MiniGrid's own environments run in batches too.

>>> batch = reinstate.make_vec("MiniGrid-MemoryS13-v0", num_envs=4, observation="pixels")
>>> batch.reset(seed=0)[0].shape
(4, 56, 56, 3)
"""

from __future__ import annotations

from typing import Any

from gymnasium import register, registry


def _register(name: str, module: str, class_name: str, **kwargs: Any) -> None:
    env_id = f"Reinstate/{name}-v0"
    if env_id in registry:  # a reload would warn about overriding
        return
    register(
        id=env_id,
        entry_point=f"reinstate.envs.{module}:{class_name}",
        vector_entry_point=f"reinstate.envs.{module}:{class_name}Vector",
        kwargs=kwargs,
    )


_register("GridTMazePassive", "grid_tmaze", "GridTMaze", active=False)
_register("GridTMazeActive", "grid_tmaze", "GridTMaze", active=True)
_register("GridTMazeCrowdedPassive", "grid_tmaze", "GridTMaze", active=False, distractors=6)
_register("GridTMazeCrowdedActive", "grid_tmaze", "GridTMaze", active=True, distractors=6)
_register("GridTMazeEndless", "grid_tmaze_endless", "GridTMazeEndless")
_register("TMazePassive", "tmaze", "TMaze", active=False)
_register("TMazeActive", "tmaze", "TMaze", active=True)
_register("MemoryChain", "memory_chain", "MemoryChain")
_register("UmbrellaChain", "umbrella_chain", "UmbrellaChain")
_register("KeyToDoor", "key_to_door", "KeyToDoor")
_register("VisualMatchPassive", "visual_match", "VisualMatch", active=False)
_register("VisualMatchActive", "visual_match", "VisualMatch", active=True)
