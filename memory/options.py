"""What a user may choose about the memory."""

from dataclasses import dataclass
from typing import Literal

WriteRule = Literal["novel", "always", "every_k"]
Eviction = Literal["fifo", "least_read", "similar"]
Recalculation = Literal["direct", "target", "refresh", "truncated", "none", "oracle"]


@dataclass(frozen=True)
class MemoryOptions:
    """The episodic memory, its codec, and how gradients reach what was remembered."""

    slots: int = 32
    """Slots per environment; when all are taken, the eviction rule frees one."""
    embedding_width: int = 16
    """Width D of a remembered embedding. Narrow, so that a slot must choose what to keep (docs/lab-notes.md)."""
    heads: int = 8
    """Attention heads of a read."""
    compare: bool = False
    """Let the present embedding query the memory, too, and tell the heads how its components differ from what each of
    them read (normalised); the embedding network of images starts at full size and tells what is in view wherever it
    stands. Meant for tasks where neither what is seen nor what is remembered says anything alone."""
    write_rule: WriteRule = "novel"
    """Write when the code is new in this episode (novel), at every step (always), or at every k-th (every_k)."""
    write_every: int = 8
    """The k of --write-rule every_k, in steps."""
    eviction: Eviction = "fifo"
    """Which slot makes room when all are taken: the oldest, the one that was read least, or the one whose embedding is
    most like that of an older one."""
    recalculation: Recalculation = "direct"
    """How a gradient that reaches a slot of an earlier chunk goes on into the embedding network (docs/method.md)."""
    recalculated_codes: int = 1024
    """K: at most this many distinct codes, those with the largest gradients, are recalculated in an update."""
    target_step: float = 10_000.0
    """The step eta of --recalculation target: the stored embedding is moved by -eta times its gradient."""
    code_bits: int = 294
    """Bits of an observation's code; a symbolic 7x7 view takes 6 for each tile."""
    min_fidelity: float = 1.0
    """A slot is recalculated only if at least this share of its observation decodes correctly."""
    codec_ring: int = 2048
    """Distinct frames that the codec trains on: the only frames that outlive a chunk."""
    codec_updates: int = 20
    """Codec updates per chunk while some fresh code is not faithful; a codec that reads all it writes rests."""
    check_cosine: bool = False
    """Keep true observations beside the slots, for diagnosis only: logs the cosine of what `direct` sends to older
    slots with the oracle's gradient."""

    @property
    def keeps_observations(self) -> bool:
        """True where the true observations are kept: the oracle, and the check against it."""
        return self.recalculation == "oracle" or self.check_cosine
