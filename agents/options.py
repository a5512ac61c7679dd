"""What a user may choose about the agent and how it learns."""

from dataclasses import dataclass
from typing import Literal

AgentName = Literal["memory", "lstm", "none"]
CreditName = Literal["bootstrap", "episodic", "transport", "synthetic"]


@dataclass(frozen=True)
class LearningOptions:
    """Rollouts, losses and schedules."""

    chunk_steps: int = 1024
    """T: at most so many steps of each environment between two updates; backpropagation never reaches further back."""
    chunk_decisions: int = 8
    """A chunk ends before its T steps where each environment has decided so often, on average."""
    epochs: int = 4
    """Passes over each chunk."""
    learning_rate: float = 1e-3
    """Adam's step size at the start."""
    final_learning_rate: float = 1e-4
    """Adam's step size at --total-timesteps, reached linearly."""
    horizon: float = 2.0
    """Horizon of the discount, in episodes of the length they have lately had: time is discounted by exp(-1 / H) a
    step, H = horizon x length."""
    gae_lambda: float = 0.9
    """Lambda of generalised advantage estimation, from decision to decision."""
    critic_lambda: float = 0.9
    """The same for the critic's targets. With 1 it learns from whole returns, and --gae-lambda can be small where most
    decisions do not matter."""
    credit: CreditName = "episodic"
    """How late rewards reach remembered actions. bootstrap: through the critic alone. episodic: the slots of finished
    episodes are learnt from again. transport: and value is carried from a hard look to what it looked at, where that
    is further back than --horizon. synthetic: and a slot is paid at once for the rewards that it explains later."""
    replayed_episodes: int = 64
    """Finished episodes drawn for each epoch (all but --credit bootstrap)."""
    episode_ring: int = 4096
    """The last finished episodes whose slots are kept to be drawn."""
    imitation_coef: float = 1.0
    """Weight of imitating remembered decisions after which more was paid than the critic expects."""
    clip_coef: float = 0.2
    """Clipping range of the policy's probability ratio."""
    vf_coef: float = 0.5
    """Weight of the value loss."""
    ent_coef: float = 0.03
    """Entropy bonus at the start, relative to what is at stake in a state (the scale of its advantages)."""
    final_ent_coef: float = 0.0
    """Entropy bonus at --total-timesteps, reached linearly."""
    max_grad_norm: float = 0.5
    """Gradients are clipped to this norm, the embedding network's apart from the rest."""
    hold_growth: float = 4.0
    """While nothing it perceives changes, the agent holds its action, and decides again after 4, 20, 84, ... steps; a
    smaller factor decides more often, 1 at every step."""
    states_per_env: int = 8
    """On average at most this many decisions of each environment are learnt from in an epoch, drawn at random."""
    novel_share: float = 0.3
    """Weight of the decisions that wrote to memory in the loss; the others have the rest."""
    novelty_bonus: float = 0.3
    """Reward for a fresh write that few of the last finished episodes hold: so much for each nat of its surprise, at
    most log(1 + --episode-ring) of them, in the task's own units of reward. Vanishes over --total-timesteps."""
