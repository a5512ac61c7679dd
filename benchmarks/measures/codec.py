"""The image codec: what it keeps, in how many bytes, and how fast.

The codec trains online as in a run: a random policy plays, the buffer fills, 20 updates a rollout. Each row has
- the share of fresh frames that are faithful (every patch within the tolerance) after so many updates;
- cue: of the fresh frames that show a cue, the share in which it can be read from the decoded frame: every cell is
  taken for the kind of patch that it is nearest to, and the cells that hold a cue must be the true ones;
- the tolerance that was found, in grey levels, and the time of encoding and decoding (the best of several times).

Cues: T-Maze the green key and the green ball, Key-to-Door the key, Visual Match the three colours.
`noise` replaces a share of the pixels by random colours, drawn again in every frame; kinds and cues are those without
noise. Three minutes on one core.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.rows import Row, markdown
from reinstate.envs.adapt import make_vector
from reinstate.envs.engine.grid import BALL, GREEN, KEY
from reinstate.envs.engine.pixels import tile_atlas
from reinstate.envs.three_phases import COLOURS, SQUARES
from reinstate.envs.three_phases import KEY as KEY_CELL
from reinstate.memory.codec.codec import build_codec
from reinstate.memory.codec.frames import FrameBuffer
from reinstate.memory.codec.patches import PatchGrid
from reinstate.memory.codec.training import CodecTraining
from reinstate.memory.options import MemoryOptions
from reinstate.memory.tensors import unique_rows

ENVS, STEPS = 128, 16  # of a rollout
CHECKS = (100, 300, 600, 1200)  # codec updates after which fresh frames are looked at
NOISES, MOST_NOISY = (0.01, 0.05), 300  # with noise all patches differ, which is slow: fewer updates
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
MATCH = "Reinstate/VisualMatchPassive-v0"
TASKS = {
    "Key-to-Door 5x5": Task(
        "Reinstate/KeyToDoor-v0", {"delay": 10}, COLOURS[[KEY_CELL]].reshape(-1, 1, 1, 3), (32, 11, 3)
    ),
    "Visual Match 5x5": Task(MATCH, {"delay": 10}, COLOURS[list(SQUARES)].reshape(-1, 1, 1, 3), (32, 11, 3)),
    "T-Maze 56x56": Task(PASSIVE, PIXELS, GREEN_THINGS, (27, 6, 3)),
    "crowded T-Maze 56x56": Task(CROWDED, PIXELS, GREEN_THINGS, (27, 6, 4)),
    "crowded T-Maze 84x84": Task(CROWDED, PIXELS, GREEN_THINGS_12, (27, 6), enlarged=True),
}
NOISY = "crowded T-Maze 56x56"


def cells(known: list[Row]) -> Iterable[Row]:
    found = [(name, 0.0, bits) for name in TASKS for bits in TASKS[name].bits]
    found += [(NOISY, noise, bits) for noise in NOISES for bits in TASKS[NOISY].bits[:2]]
    return [{"frames": name, "noise": noise, "bits": bits} for name, noise, bits in found]


def rows(cell: Row) -> Iterator[Row]:
    """One: {bytes, faithful: {updates: share}, cue, tolerance, encode_ms, decode_ms}."""
    task, noise = TASKS[cell["frames"]], cell["noise"]
    checks = [check for check in CHECKS if not noise or check <= MOST_NOISY]
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    frames = Frames(task, noise)
    noisy, clean = frames.rollout()
    shape, cues = tuple(noisy.shape[1:]), torch.from_numpy(task.cues).flatten(1)
    grid = PatchGrid.of(shape)
    o, codec = MemoryOptions(), build_codec("image", shape, (), cell["bits"] * grid.count)
    training = CodecTraining(codec, FrameBuffer(o.codec_frames, noisy[0]), o.codec_updates, o.min_fidelity)
    kinds = unique_rows(grid.cut(clean))[0]
    faithful, cue = {}, 0.0
    for done in range(o.codec_updates, max(checks) + 1, o.codec_updates):
        training.frames.add(noisy)
        training.train(o.codec_updates, generator)
        noisy, clean = frames.rollout()  # fresh
        kinds = unique_rows(torch.cat([kinds, unique_rows(grid.cut(clean))[0]]))[0]
        if done in checks:
            coder = codec.current
            codes = coder.encode(noisy)
            faithful[str(done)] = float((coder.fidelity(noisy, codes) == 1).float().mean())
            cue = cue_share(grid, clean, coder.decode(codes), kinds, cues)
    found = {"bytes": codec.code_bytes, "faithful": faithful, "cue": cue, "tolerance": coder.figures()["tolerance"]}
    times = {"encode_ms": best_ms(lambda: coder.encode(noisy[:256]))}
    yield cell | found | times | {"decode_ms": best_ms(lambda: coder.decode(codes[:1024]))}


def table(rows: list[Row]) -> str:
    lines = []
    for r in rows:
        faithful = (r["faithful"].get(str(check)) for check in CHECKS)
        shares = ["" if share is None else f"{share:.3f}" for share in faithful]
        figures = [f"{r['cue']:.3f}", *(f"{r[key]:.1f}" for key in ("tolerance", "encode_ms", "decode_ms"))]
        lines.append([r["frames"], f"{r['noise']:g}", str(r["bits"]), str(r["bytes"]), *shares, *figures])
    heads = ["frames", "noise", "bits a patch", "bytes", *(f"faithful after {check}" for check in CHECKS)]
    return markdown([*heads, "cue", "tolerance", "encode 256, ms", "decode 1,024, ms"], lines)


def random_play(env: str, kwargs: dict[str, Any], num_envs: int, seed: int, rng: np.random.Generator) -> Iterator[Any]:
    """The frames [num_envs * STEPS, H, W, 3] of a random policy, rollout by rollout, without an end."""
    envs: Any = make_vector(env, num_envs, kwargs)
    now = envs.reset(seed=list(range(seed, seed + num_envs)))[0].copy()
    while True:
        seen = []
        for _ in range(STEPS):
            seen.append(now)
            now = envs.step(rng.integers(0, envs.single_action_space.n, num_envs))[0].copy()
        yield np.concatenate(seen)


class Frames:
    """Frames [n, H, W, 3] of a random policy, with and without noise."""

    def __init__(self, task: Task, noise: float) -> None:
        self.task, self.noise, self.rng = task, noise, np.random.default_rng(0)
        self.play = random_play(task.env, task.kwargs, ENVS, 0, self.rng)

    def rollout(self) -> tuple[Tensor, Tensor]:
        """The next ENVS * STEPS frames: as seen, and without noise."""
        clean = next(self.play)
        if self.task.enlarged:
            clean = clean[:, LARGER][:, :, LARGER]
        random = self.rng.random((*clean.shape[:3], 1)) < self.noise
        noisy = np.where(random, self.rng.integers(0, 256, clean.shape, dtype=np.uint8), clean) if self.noise else clean
        return torch.from_numpy(noisy), torch.from_numpy(clean)


def cue_share(grid: PatchGrid, clean: Tensor, decoded: Tensor, kinds: Tensor, cues: Tensor) -> float:
    """Of the frames that show a cue, the share whose cues can be read from what was decoded."""
    truth = cue_cells(grid, clean, kinds, cues)
    right = (cue_cells(grid, decoded, kinds, cues) == truth).all(dim=1)
    return float(right[(truth >= 0).any(dim=1)].float().mean())


def cue_cells(grid: PatchGrid, images: Tensor, kinds: Tensor, cues: Tensor) -> Tensor:
    """Which cue each cell is nearest to [n, P]: its number, or -1 where another kind of patch is nearer."""
    patches, which = unique_rows(grid.cut(images))
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
