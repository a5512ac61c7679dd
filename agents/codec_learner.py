"""The memory agent's side learner: shows the codec what a rollout wrote."""

from __future__ import annotations

from typing import Any

import torch

from reinstate.agents.interface import SideLearner
from reinstate.agents.memory_agent import MemoryAgent
from reinstate.agents.rollout import Rollout
from reinstate.memory.codec.frames import FrameBuffer
from reinstate.memory.codec.training import CodecTraining
from reinstate.memory.tensors import take


class CodecLearner(SideLearner):
    """Trains the agent's codec on the frames that were written."""

    def __init__(self, agent: MemoryAgent) -> None:
        o = agent.options
        frames = FrameBuffer(o.codec_frames, agent.spec.zero())
        self.training = CodecTraining(agent.codec, frames, o.codec_updates, o.min_fidelity)

    def learn(self, rollout: Rollout, generator: torch.Generator) -> dict[str, float]:
        written = take(rollout.inputs.observation, rollout.decision.wrote)
        log = self.training.learn(written, generator) | self.training.figures()
        return log | {"memory/writes_per_step": len(written) / (rollout.steps * rollout.num_envs)}

    def describe(self) -> str:
        return f"the codec's frames take up to {self.training.frames.frames.nbytes / 1e6:.1f} MB"

    def state_dict(self) -> dict[str, Any]:
        return self.training.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.training.load_state_dict(state)
