"""How a gradient crosses an external memory: `python examples/recalculation_from_scratch.py`, a few seconds.

The task: the first scene of an episode shows a key or a ball among distractors. 100 steps later the agent must say
which. Meanwhile it writes a slot now and then: an embedding m = f(o) and a code of o, a few bytes. It keeps neither o
nor an activation of f. At the end it reads all slots. Backpropagation gives g = dL/dm for each slot; there the graph
ends.

To train f, recalculation decodes the observation, o' = decode(code), computes its embedding again, e = f(o'), and sends
g through this fresh forward pass: the parameters theta of f receive (de/dtheta)^T g. If o' = o and f has not changed
since the slot was written, this is the exact gradient.

Two controls. The gradient is cut at the memory: f stays random, and a random f does not keep the cue. Or the codec does
not learn: g is sent through the wrong scenes.

`memory/recalculation.py` does the same for an agent. There slots are older than the last update of f, the codec changes
while its codes are kept, and the gradients of equal codes are summed and sent once.

Letters: B episodes, T steps, N slots, C cells of a scene, S kinds of symbol, D width of an embedding.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

B, T, C, S, D = 64, 100, 9, 8, 8
EVERY = 20  # steps from one write to the next
N = T // EVERY
BITS = 4  # of the code of a cell
PART = 128  # scenes that go through f together when it is recalculated: all the activations that ever exist
UPDATES = 150
REPORTS = (1, 10, 25, 50, 75, 100, 150)  # updates


class Embedding(nn.Module):
    """f: scenes [n, C] -> embeddings [n, D], so narrow that it must learn what to keep."""

    def __init__(self) -> None:
        super().__init__()
        self.symbols = nn.Embedding(S, 8)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(C * 8, 64), nn.ReLU(), nn.Linear(64, D), nn.LayerNorm(D))
        nn.init.normal_(self.symbols.weight, std=0.01)  # a small start lets the gradient form its own features

    def forward(self, scenes: Tensor) -> Tensor:
        return self.layers(self.symbols(scenes))


class Read(nn.Module):
    """Attention over the slots, then the answer: embeddings [B, N, D] -> logits [B, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.score, self.place = nn.Linear(D, 1), nn.Parameter(torch.zeros(N))  # by content, and by place
        self.answer = nn.Sequential(nn.Linear(D, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, m: Tensor) -> Tensor:
        weights = torch.softmax(self.score(m).squeeze(2) + self.place, dim=1)  # [B, N]
        return self.answer((weights[:, :, None] * m).sum(dim=1))


class Codec(nn.Module):
    """A binary autoencoder, shared by all cells: a scene becomes C * BITS bits. It learns to copy, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.to_bits = nn.Sequential(nn.Embedding(S, 32), nn.Linear(32, BITS))
        self.to_symbol = nn.Sequential(nn.Linear(BITS, 64), nn.ReLU(), nn.Linear(64, S))

    def encode(self, scenes: Tensor) -> Tensor:
        """[..., C] -> [..., C, BITS] bool."""
        return self.to_bits(scenes) >= 0

    def decode(self, code: Tensor) -> Tensor:
        """[..., C, BITS] bool -> [..., C], reinstated scenes."""
        return self.to_symbol(2.0 * code - 1.0).argmax(dim=-1)

    def loss(self, scenes: Tensor) -> Tensor:
        kinds = scenes.unique()  # a rare symbol has the same weight as a common one
        soft = torch.tanh(self.to_bits(kinds))
        sign = soft + (soft.sign() - soft).detach()  # straight through: forward the sign, backward tanh
        return F.cross_entropy(self.to_symbol(sign), kinds)


def draw_episodes() -> tuple[Tensor, Tensor]:
    """Scenes [B, T, C], and the cue [B] that stands in some cell of the first scene: 0 a key, 1 a ball."""
    scenes, cue = torch.randint(2, S, (B, T, C)), torch.randint(2, (B,))
    scenes[torch.arange(B), 0, torch.randint(C, (B,))] = cue
    return scenes, cue


def recalculate(f: Embedding, reinstated: Tensor, g: Tensor) -> None:
    """Adds (de/dtheta)^T g to the gradients of f, for reinstated scenes [n, C] and g [n, D]."""
    for scenes, part in zip(reinstated.split(PART), g.split(PART), strict=True):
        f(scenes).backward(part)


def cosine_with_exact(f: Embedding, scenes: Tensor, g: Tensor) -> float:
    """Of the gradient that f has now with the one it would have if all scenes [n, C] and activations had been kept."""
    exact = torch.autograd.grad(f(scenes), list(f.parameters()), g)
    ours = [torch.zeros_like(p) if p.grad is None else p.grad for p in f.parameters()]
    return float(F.cosine_similarity(*(torch.cat([x.flatten() for x in side]) for side in (ours, exact)), dim=0))


def train(recalculating: bool, codec_learns: bool, seed: int = 0) -> dict[str, float]:
    """Trains one agent and prints its reports; returns the last one."""
    torch.manual_seed(seed)
    f, read, codec = Embedding(), Read(), Codec()
    optimizer = torch.optim.Adam([*f.parameters(), *read.parameters()], lr=1e-2)
    codec_optimizer = torch.optim.Adam(codec.parameters(), lr=1e-2)
    right: list[float] = []
    report: dict[str, float] = {}
    for update in range(1, UPDATES + 1):
        # 1. The episode. Of a step that is written an embedding and a code remain.
        scenes, cue = draw_episodes()
        embeddings, codes = [], []
        with torch.no_grad():
            for t in range(0, T, EVERY):
                embeddings.append(f(scenes[:, t]))
                codes.append(codec.encode(scenes[:, t]))
        m = torch.stack(embeddings, dim=1).requires_grad_()  # [B, N, D], leaves
        code = torch.stack(codes, dim=1)  # [B, N, C, BITS]

        # 2. The answer, and its gradient: it reaches the read and stops at the slots.
        logits = read(m)
        optimizer.zero_grad()
        F.cross_entropy(logits, cue).backward()
        assert m.grad is not None
        g = m.grad.flatten(0, 1)  # [B * N, D]

        # 3. Recalculation carries it on into f.
        reinstated = codec.decode(code)  # [B, N, C]
        if recalculating:
            recalculate(f, reinstated.flatten(0, 1), g)

        # 4. Report: only here the true scenes are used, to compare.
        written = scenes[:, ::EVERY]
        right.append(float((logits.argmax(dim=1) == cue).float().mean()))
        if update in REPORTS:
            report["success"] = sum(right[-25:]) / len(right[-25:])  # of the last 25 updates
            report["cells_read"] = float((reinstated == written).float().mean())
            report["cosine"] = cosine_with_exact(f, written.flatten(0, 1), g)
            print(f"{update:8}" + "".join(f"{x:12.3f}" for x in report.values()))

        # 5. The step, and the codec's own: it learns to copy what it saw, apart from the task.
        optimizer.step()
        if codec_learns:
            codec_optimizer.zero_grad()
            codec.loss(written).backward()
            codec_optimizer.step()
    return report


def main() -> dict[str, dict[str, float]]:
    """Trains with recalculation and two controls; returns the last report of each."""
    torch.set_num_threads(1)
    code_bytes = -(-C * BITS // 8)
    print(f"A slot keeps {code_bytes} bytes of code and {4 * D} of embedding. The cue is asked for after {T} steps.")
    results = {}
    for name, recalculating, codec_learns in (
        ("recalculation", True, True),
        ("recalculation from codes that do not read", True, False),
        ("gradient cut at the memory", False, True),
    ):
        print(f"\n{name}\n  update     success  cells read  cosine with the exact gradient")
        results[name] = train(recalculating, codec_learns)
    return results


if __name__ == "__main__":
    main()
