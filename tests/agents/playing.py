"""Small agents at play: what the tests of agents build, collect and learn with."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import gymnasium as gym
import torch

import reinstate.envs  # noqa: F401
from reinstate.agents.build import KINDS, build_extras
from reinstate.agents.collector import collect, start_collecting
from reinstate.agents.interface import Extras, Update
from reinstate.agents.networks import ObservationSpec
from reinstate.agents.options import LearningOptions
from reinstate.agents.ppo import Learner, build_learner, update
from reinstate.agents.returns import AverageReward
from reinstate.memory.codec.codec import Codec
from reinstate.memory.options import MemoryOptions
from reinstate.memory.recalculation import MODES

LENGTH, NUM_ENVS, STEPS = 4, 6, 16
LONGEST = 3 * LENGTH + 60  # steps after which an episode is truncated
MANY = 10_000  # decisions: a rollout ends by its steps
SPEC = ObservationSpec("grid", (7, 7, 3))
MODE_NAMES = tuple(MODES)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(name: str = "memory", seed: int = 0, codec: Codec | None = None, **options):
    """An agent for `GridTMazeCrowdedPassive`; with `codec`, one that has already learnt to read its views.

    Its values differ between states, which those of a new agent do not: they are 0.
    """
    torch.manual_seed(seed)
    agent = KINDS[name].make(SPEC, 7, MemoryOptions(**{"slots": 8, **options}))
    torch.nn.init.normal_(agent.heads.value[-1].weight)
    if codec is not None:
        agent.codec.load_state_dict(codec.state_dict())
    return agent


@dataclass(repr=False)
class Play:
    """An agent, its environments, and where both stand."""

    agent: object
    envs: gym.vector.VectorEnv
    collector: object
    learner: Learner

    @classmethod
    def begin(cls, agent, seed: int = 0, envs: gym.vector.VectorEnv | None = None, **options) -> Play:
        """Resets the environments; `options` are those of learning."""
        if envs is None:
            envs = gym.make_vec("Reinstate/GridTMazeCrowdedPassive-v0", NUM_ENVS, length=LENGTH)
        seeds = [seed + 10 * i for i in range(envs.num_envs)]
        o = LearningOptions(**{"replay_batch": 8, "replay_size": 512, **options})
        c = start_collecting(envs, agent, seeds, generator(seed), o.action_repeat)
        return cls(agent, envs, c, learner_of(agent, o, seed))

    @property
    def memory(self):
        """The slots as they stand."""
        return self.collector.agent_state.memory

    @property
    def replay(self):
        """Episodic replay."""
        return self.learner.extras.terms[0]

    @property
    def credit(self):
        """Synthetic returns: term and bonus."""
        return self.learner.extras.bonuses[-1]

    @property
    def frames(self):
        """The frames that the codec trains on."""
        return self.learner.extras.side_learners[0].training.frames

    def collect(self, steps: int = STEPS):
        """One rollout."""
        return collect(self.envs, self.agent, self.collector, steps, MANY, self.learner.extras.terms)

    def pass_time(self, steps: int) -> None:
        """Plays on without learning."""
        for _ in range(steps // STEPS):
            self.collect()

    def learn(self, updates: int, steps: int = STEPS) -> dict[str, float]:
        """Collects and learns, codec included; returns the last figures."""
        log = {}
        for _ in range(updates):
            rollout = self.collect(steps)
            log = update(self.agent, rollout, self.learner, 0.0)
            for side in self.learner.extras.side_learners:
                log |= side.learn(rollout, self.learner.generator)
        return log


def learner_of(agent, options: LearningOptions, seed: int = 0) -> Learner:
    """A learner with everything that the options ask for."""
    g = generator(seed)
    return build_learner(agent, build_extras(agent, options, g), options, g)


def bare_learner(agent, **options) -> Learner:
    """A learner of PPO alone."""
    return build_learner(agent, Extras([], [], []), LearningOptions(**options), generator())


def parameters_of(agent) -> torch.Tensor:
    """All parameters as one vector."""
    return torch.cat([p.detach().flatten() for p in agent.parameters()])


def reached(module: torch.nn.Module) -> bool:
    """Whether any gradient arrived at its parameters."""
    return any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())


def assert_replay_equals_rollout(play: Play, steps: int) -> None:
    """Log-probabilities, values and scales of the next rollout's decisions again, so the first ratio is 1.

    Whatever replays a rollout, what is recomputed from what it keeps is what was collected.
    """
    pending = play.collector.pending
    rollout = play.collect(steps)
    picked = rollout.outcome.closed.nonzero()[:, 0]
    again = play.agent.replay(rollout, picked)
    made = rollout.decision.take(picked)
    new = slice(0 if pending is None else len(pending.env), None)  # older parameters made the pending decisions
    assert len(picked) > steps and rollout.episodes
    log_prob = torch.log_softmax(again.logits, -1).gather(1, made.action[:, None])[:, 0]
    for ours, collected in (
        (log_prob, made.log_prob),
        (again.value, made.value),
        (again.log_scale.exp(), made.scale),
    ):
        torch.testing.assert_close(ours[new], collected[new], atol=2e-5, rtol=1e-4)


def with_options(play: Play, **options) -> Play:
    """The same play with a learner of other options, which draws from the same finished episodes."""
    o = LearningOptions(**{"replay_batch": 8, **options})
    other = Play(play.agent, play.envs, play.collector, learner_of(play.agent, o))
    other.replay.buffer = play.replay.buffer
    return other


def drawn_from(play: Play, most: int = 64):
    """Finished episodes of this play."""
    buffer = play.replay.buffer
    return buffer.sample(most, generator(), torch.ones(buffer.size))


def learn_again(play: Play, drawn, monkeypatch, **options) -> dict[str, float]:
    """Sends the gradient of episodic replay's loss at the decisions of the episodes `drawn`, without the entropy and
    novelty bonuses; returns its figures."""
    monkeypatch.setattr(play.replay.buffer, "sample", lambda *_: drawn)
    o, log = dataclasses.replace(play.learner.options, **options), {}
    u = Update(None, o, AverageReward(0.0, 20.0), ent_coef=0.0, progress=1.0, generator=generator())
    play.agent.zero_grad()
    play.replay.begin_update(u)
    play.replay.loss(u, log).backward()
    return log
