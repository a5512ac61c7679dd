"""What a user may choose about how an agent learns."""

from dataclasses import dataclass
from typing import Literal

AgentName = Literal["memory", "lstm", "gru", "none"]
CreditName = Literal["bootstrap", "episodic", "synthetic"]


@dataclass(frozen=True)
class LearningOptions:
    """Rollouts, losses and schedules."""

    rollout_steps: int = 1024
    """T: at most this many steps of each environment between two updates; back-propagation never reaches further
    back."""
    rollout_decisions: int = 8
    """A rollout ends before its T steps once each environment has decided this often, on average."""
    action_repeat: bool = True
    """Repeat the action while nothing that the agent perceives changes, and decide again after 4, 20, 84, ... steps."""
    epochs: int = 4
    """Passes over each rollout."""
    learning_rate: float = 1e-3
    """Adam's step size at the start."""
    final_learning_rate: float = 1e-4
    """Adam's step size at --total-timesteps, reached linearly."""
    horizon: float = 2.0
    """Horizon of the discount, in episodes: a step is discounted by exp(-1 / H), where H is this times the mean length
    of recent episodes."""
    gae_lambda: float = 0.9
    """Lambda of generalised advantage estimation, from decision to decision."""
    critic_lambda: float = 0.9
    """The same for the critic's targets. With 1 it learns from whole returns, and --gae-lambda can be small where most
    decisions do not matter."""
    clip_coef: float = 0.2
    """Clipping range of the policy's probability ratio."""
    vf_coef: float = 0.5
    """Coefficient of the value loss."""
    ent_coef: float = 0.03
    """Coefficient of the entropy bonus at the start, relative to the advantage scale."""
    final_ent_coef: float = 0.0
    """Coefficient of the entropy bonus at --total-timesteps, reached linearly."""
    max_grad_norm: float = 0.5
    """Gradients are clipped to this norm, those of the embedding network apart from the rest."""
    credit: CreditName = "episodic"
    """How late rewards reach remembered actions. bootstrap: through the critic alone. episodic: the slots of finished
    episodes are learnt from again. synthetic: the same, and a slot is paid, when it is written, for the
    rewards that it explains later."""
    replay_size: int = 4096
    """Finished episodes whose slots are kept to be learnt from again (not with --credit bootstrap)."""
    replay_batch: int = 64
    """Finished episodes drawn for each epoch."""
    imitation_coef: float = 1.0
    """Coefficient of imitating remembered decisions after which more was paid than the critic expects."""
    novelty_bonus: float = 0.3
    """Reward for writing a code that few of the kept episodes hold, for each nat of its surprise, in units of the
    largest reward seen. It falls to 0 over --total-timesteps."""
