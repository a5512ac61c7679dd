"""What a user may choose about the memory."""

from dataclasses import dataclass
from typing import Literal

WriteRule = Literal["novel", "always"]
Eviction = Literal["fifo", "similar"]
RecalculationName = Literal["direct", "target", "refresh", "truncated", "none", "oracle"]


@dataclass(frozen=True)
class MemoryOptions:
    """The episodic memory, its codec, and how gradients reach what was remembered."""

    slots: int = 32
    """Slots per environment; when all are taken, the eviction rule frees one."""
    embedding_width: int = 16
    """Width D of a remembered embedding. Narrow, so that a slot must choose what to keep."""
    heads: int = 8
    """Attention heads of a read."""
    compare: bool = False
    """Compare what is seen with what is remembered: the present embedding queries the memory, too, and policy and
    critic see how it differs from what each head read. For tasks such as Visual Match, where neither alone tells what
    to do."""
    write_rule: WriteRule = "novel"
    """novel: write when the code is not in this episode's memory yet. always: write at every step."""
    eviction: Eviction = "fifo"
    """Which slot makes room when all are taken. fifo: the oldest. similar: the one whose embedding is most like that of
    an older one."""
    recalculation: RecalculationName = "direct"
    """How a gradient that reaches a slot of an earlier rollout goes on into the embedding network (docs/method.md)."""
    recalculated_codes: int = 1024
    """K: at most this many unique codes, those with the largest gradients, are recalculated in an update."""
    target_step: float = 10_000.0
    """The step eta of --recalculation target: the stored embedding is moved by -eta times its gradient."""
    code_bits: int | None = None
    """Bits of an observation's code. By default they follow from it: 6 for each tile of a symbolic view, 294 for a
    vector, and 294 for an image, or more where that is less than 6 for each patch."""
    min_fidelity: float = 1.0
    """A slot is recalculated only if at least this share of its observation decodes correctly."""
    codec_frames: int = 2048
    """Distinct frames that the codec trains on: the only frames that outlive a rollout."""
    codec_updates: int = 20
    """Codec updates per rollout, while some new code is not faithful."""
    check_cosine: bool = False
    """Keep true observations beside the slots, for diagnosis only: logs the cosine of what `direct` sends to older
    slots with the oracle's gradient."""
