"""What does the image codec keep, and at what price? `python benchmarks/images/codec.py`, 3 minutes on one core.

The codec trains online as in a run: a random policy plays, the ring fills, 20 updates a chunk. Each row of the table
then tells
- the share of fresh frames that are faithful (every patch within the tolerance) after so many updates;
- cue: of the fresh frames that show a cue, the share in which it can be read off the reinstatement: every cell of it is
  taken for the kind of patch that it is nearest to, and the cells that hold a cue must be the true ones;
- the tolerance that was found, in grey levels, and what encoding and decoding take (the best of several times).

Cues: T-Maze the green key and the green ball, Key-to-Door the key, Visual Match the three colours.
`noise` replaces a share of the pixels by random colours, anew in every frame; kinds and cues are those without noise.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
from runs import write_page

from reinstate.envs.adapt import make_vector
from reinstate.envs.engine.grid import BALL, GREEN, KEY
from reinstate.envs.engine.pixels import tile_atlas
from reinstate.envs.three_phases import COLOURS, SQUARES
from reinstate.envs.three_phases import KEY as KEY_CELL
from reinstate.memory.codec import Codec, build_autoencoder
from reinstate.memory.frame_ring import FrameRing
from reinstate.memory.image_codec import ImageCoder
from reinstate.memory.options import MemoryOptions
from reinstate.memory.patches import PatchGrid, distinct_rows

HERE = Path(__file__).parent
ENVS, STEPS = 128, 16  # of a chunk
LARGER = np.arange(84) * 2 // 3  # pixels of an image of 56 that make one of 84: tiles of 12


@dataclass(frozen=True)
class Task:
    """Where frames come from, and which patches are cues."""

    env: str
    kwargs: dict[str, Any]
    cues: np.ndarray  # [k, side, side, 3]
    bits: tuple[int, ...]  # of a patch: many, as many as the agent's code has by default, few
    enlarged: bool = False


GREEN_THINGS = tile_atlas()[0, [KEY, BALL], GREEN, 0]
GREEN_THINGS_12 = GREEN_THINGS[:, LARGER[:12]][:, :, LARGER[:12]]
PASSIVE, CROWDED = "Reinstate/GridTMazePassive-v0", "Reinstate/GridTMazeCrowdedPassive-v0"
PIXELS = {"length": 20, "observation": "pixels"}
TASKS = {
    "Key-to-Door 5x5": Task(
        "Reinstate/KeyToDoor-v0", {"delay": 10}, COLOURS[[KEY_CELL]].reshape(-1, 1, 1, 3), (32, 11, 3)
    ),
    "Visual Match 5x5": Task(
        "Reinstate/VisualMatchPassive-v0", {"delay": 10}, COLOURS[list(SQUARES)].reshape(-1, 1, 1, 3), (32, 11, 3)
    ),
    "T-Maze 56x56": Task(PASSIVE, PIXELS, GREEN_THINGS, (27, 6, 3)),
    "crowded T-Maze 56x56": Task(CROWDED, PIXELS, GREEN_THINGS, (27, 6, 4)),
    "crowded T-Maze 84x84": Task(CROWDED, PIXELS, GREEN_THINGS_12, (27, 6), enlarged=True),
}
NOISY = "crowded T-Maze 56x56"


@dataclass(frozen=True)
class Sizes:
    """Measure the image codec."""

    tasks: tuple[Literal[*TASKS], ...] = tuple(TASKS)
    """Which of them."""
    checks: tuple[int, ...] = (100, 300, 600, 1200)
    """Codec updates after which fresh frames are looked at."""
    noises: tuple[float, ...] = (0.01, 0.05)
    """Shares of random pixels, on the crowded T-Maze of 56x56, up to 300 updates: all patches differ, which is slow."""


class Frames:
    """Frames [n, H, W, 3] of a random policy, with and without noise."""

    def __init__(self, task: Task, noise: float) -> None:
        self.task, self.noise, self.rng = task, noise, np.random.default_rng(0)
        self.envs = make_vector(task.env, ENVS, task.kwargs)
        self.now = self.envs.reset(seed=list(range(ENVS)))[0].copy()

    def chunk(self) -> tuple[Tensor, Tensor]:
        """The next ENVS * STEPS frames: as seen, and without noise."""
        seen = []
        for _ in range(STEPS):
            seen.append(self.now)
            self.now = self.envs.step(self.rng.integers(0, self.envs.single_action_space.n, ENVS))[0].copy()
        clean = np.concatenate(seen)
        if self.task.enlarged:
            clean = clean[:, LARGER][:, :, LARGER]
        random = self.rng.random((*clean.shape[:3], 1)) < self.noise
        noisy = np.where(random, self.rng.integers(0, 256, clean.shape, dtype=np.uint8), clean) if self.noise else clean
        return torch.from_numpy(noisy), torch.from_numpy(clean)


def cue_cells(coder: ImageCoder, images: Tensor, kinds: Tensor, cues: Tensor) -> Tensor:
    """Which cue each cell is nearest to [n, P]: its number, or -1 where another kind of patch is nearer."""
    patches, which = distinct_rows(coder.net.grid.cut(images))
    nearest = kinds[torch.cdist(patches.float(), kinds.float()).argmin(dim=1)]  # [U, F]
    equal = (nearest[:, None] == cues).all(dim=2)  # [U, k]
    number = torch.where(equal.any(dim=1), equal.int().argmax(dim=1), -1)
    return number[which].view(len(images), -1)


def best_ms(work: Callable[[], Any], times: int = 30) -> float:
    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return 1e3 * min(once() for _ in range(times))


def measure(task: Task, bits: int, noise: float, checks: tuple[int, ...]) -> list[str]:
    """The cells of a row, from `bytes` on."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    frames = Frames(task, noise)
    noisy, clean = frames.chunk()
    cues = torch.from_numpy(task.cues).flatten(1)
    net: Any = build_autoencoder("image", tuple(noisy.shape[1:]), (), bits * PatchGrid.of(tuple(noisy.shape[1:])).count)
    codec = Codec(net, FrameRing(MemoryOptions().codec_ring, noisy[0]))
    kinds = distinct_rows(net.grid.cut(clean))[0]
    faithful, cue, updates = [], 0.0, MemoryOptions().codec_updates
    for done in range(updates, max(checks) + 1, updates):
        codec.ring.add(noisy)
        codec.learn(updates, generator)
        noisy, clean = frames.chunk()  # fresh
        kinds = distinct_rows(torch.cat([kinds, distinct_rows(net.grid.cut(clean))[0]]))[0]
        if done in checks:
            coder: Any = codec.current
            codes = coder.encode(noisy)
            faithful.append(float((coder.fidelity(noisy, codes) == 1).float().mean()))
            truth = cue_cells(coder, clean, kinds, cues)
            shown = (truth >= 0).any(dim=1)
            guess = cue_cells(coder, coder.decode(codes), kinds, cues)
            cue = float((guess == truth).all(dim=1)[shown].float().mean())
    frames.envs.close()
    encode = best_ms(lambda: coder.encode(noisy[:256]))
    decode = best_ms(lambda: coder.decode(codes[:1024]))
    shares = [f"{share:.3f}" for share in faithful]
    found = [f"{cue:.3f}", *(f"{x:.1f}" for x in (float(coder.net.tolerance), encode, decode))]
    return [str(net.code_bytes), *shares, *found]


def main(o: Sizes) -> list[str]:
    torch.set_num_threads(1)
    head = ["frames", "noise", "bits a patch", "bytes", *(f"faithful after {c}" for c in o.checks)]
    head += ["cue", "tolerance", "encode 256, ms", "decode 1,024, ms"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    print(*lines, sep="\n", flush=True)
    rows = [(name, 0.0, bits, o.checks) for name in o.tasks for bits in TASKS[name].bits]
    few = tuple(c for c in o.checks if c <= 300)
    rows += [(NOISY, noise, bits, few) for noise in o.noises for bits in TASKS[NOISY].bits[:2]]
    for name, noise, bits, checks in rows:
        cells = measure(TASKS[name], bits, noise, checks)
        cells[1 + len(checks) : 1 + len(checks)] = ["" for _ in o.checks[len(checks) :]]
        lines.append("| " + " | ".join([name, f"{noise:g}", str(bits), *cells]) + " |")
        print(lines[-1], flush=True)
    return lines


if __name__ == "__main__":
    write_page(HERE / "codec.md", "The image codec", __doc__, "\n".join(main(tyro.cli(Sizes))))
