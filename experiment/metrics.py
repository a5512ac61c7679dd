"""Metrics to TensorBoard, metrics.jsonl and monitor.csv; the x axis is environment steps."""

from __future__ import annotations

import csv
import json
import math
import os
import time
from collections import defaultdict, deque
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from reinstate.agents.rollout import EpisodeEnd
from reinstate.experiment import files
from reinstate.experiment.errors import UserError

JSONL, MONITOR, EVENTS = "metrics.jsonl", "monitor.csv", "events."  # the last is how TensorBoard's files begin
WINDOW = 400  # finished episodes that rollout/* averages over
LATEST_START = 1_000_000  # environment steps after which rollout/* is there in any case


class Metrics:
    """Collects values and finished episodes, and writes their averages. A run that goes on first takes back what it
    wrote after its last checkpoint."""

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self.folder, self.options = folder, options
        self.noted: dict[str, list[float]] = defaultdict(list)
        self.recent: deque[EpisodeEnd] = deque(maxlen=WINDOW)
        self.episodes = 0
        self.num_envs: int = options["num_envs"]
        self.unfinished = set(range(self.num_envs))  # environments that have not finished an episode yet
        self.started = time.perf_counter()
        self.opened = ExitStack()
        self.sizes: dict[str, int] | None = None  # bytes of each file, of the state that was loaded
        self.seconds_before = 0.0  # that the run has taken in earlier sessions

    def open(self) -> None:
        """Opens the files, as long as they were when the state that was loaded was saved; empty where none was."""
        cut_back(self.folder, self.sizes or {})
        self.jsonl = self.opened.enter_context((self.folder / JSONL).open("a"))
        self.monitor_file = self.opened.enter_context((self.folder / MONITOR).open("a", newline=""))
        self.monitor = csv.writer(self.monitor_file)
        self.writer = self.opened.enter_context(SummaryWriter(str(self.folder)))
        if self.sizes is None:
            self.monitor.writerow(["step", "r", "l", "success", "cue", "t"])
            plain = {k: v if isinstance(v, (int, float, str, bool)) else str(v) for k, v in self.options.items()}
            for summary in hparams(plain, {"eval/success_rate": 0.0}):  # type: ignore[no-untyped-call]
                self.writer._get_file_writer().add_summary(summary)

    @property
    def seconds(self) -> float:
        """That the run has taken so far, in all its sessions."""
        return self.seconds_before + time.perf_counter() - self.started

    def note(self, values: dict[str, float]) -> None:
        """Keeps values for the next write; values that are not finite are left out."""
        for key, value in values.items():
            if math.isfinite(value):
                self.noted[key].append(value)

    def note_episodes(self, episodes: list[EpisodeEnd]) -> None:
        """Keeps finished episodes for the averages, and writes each to monitor.csv."""
        self.recent.extend(episodes)
        self.episodes += len(episodes)
        self.unfinished.difference_update(e.env for e in episodes)
        now = round(self.seconds, 3)
        for e in episodes:
            self.monitor.writerow([e.at, round(e.ret, 6), e.length, e.success, e.cue, now])

    def rollout(self) -> dict[str, float]:
        """Averages over the last finished episodes, once every environment has finished one: the first to end are the
        quick ones, and say little about the others."""
        if not self.recent or (self.unfinished and self.recent[-1].at < LATEST_START):
            return {}
        n = len(self.recent)
        values = {
            "rollout/ep_rew_mean": sum(e.ret for e in self.recent) / n,
            "rollout/ep_len_mean": sum(e.length for e in self.recent) / n,
        }
        reported = [e.success for e in self.recent if e.success is not None]
        if reported:
            values["rollout/success_rate"] = sum(reported) / len(reported)
        return values

    def line(self) -> str:
        """What is known of the last finished episodes, in words."""
        values, n = self.rollout(), self.num_envs
        if not values:
            return f"{n - len(self.unfinished)} of {n} environments have finished an episode"
        rate = values.get("rollout/success_rate")
        success = "" if rate is None else f"success {rate:.3f}  "
        rest = f"  ({len(self.unfinished)} of {n} environments have finished no episode)" if self.unfinished else ""
        return f"{success}return {values['rollout/ep_rew_mean']:.2f}{rest}"

    def write(self, step: int, extra: dict[str, float] | None = None) -> dict[str, float]:
        """Writes the averages since the last write, those of finished episodes, and `extra`; returns what it wrote."""
        values = {k: sum(v) / len(v) for k, v in self.noted.items()} | self.rollout() | (extra or {})
        self.noted.clear()
        for key, value in values.items():
            self.writer.add_scalar(key, value, step)
        self.jsonl.write(json.dumps({"step": step, **values}) + "\n")
        self.jsonl.flush()
        self.monitor_file.flush()
        return values

    def state_dict(self) -> dict[str, Any]:
        """What the next averages need, and how long the files are, which are on disk then: plain values."""
        self.jsonl.flush()
        self.monitor_file.flush()
        self.writer.flush()
        for path in written(self.folder):
            files.sync(path)
        return {
            "noted": dict(self.noted),
            "recent": [asdict(e) for e in self.recent],
            "episodes": self.episodes,
            "unfinished": sorted(self.unfinished),
            "seconds": self.seconds,
            "files": {path.name: path.stat().st_size for path in written(self.folder)},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        self.noted = defaultdict(list, {key: list(values) for key, values in state["noted"].items()})
        self.recent = deque((EpisodeEnd(**values) for values in state["recent"]), maxlen=WINDOW)
        self.episodes, self.unfinished = state["episodes"], set(state["unfinished"])
        self.seconds_before, self.sizes = state["seconds"], state["files"]

    def picture(self, tag: str, image: np.ndarray, step: int) -> None:
        """Shows an image [H, W, 3] uint8 in TensorBoard."""
        self.writer.add_image(tag, image, step, dataformats="HWC")

    def close(self) -> None:
        """Closes the files, if they were opened."""
        self.opened.close()


def written(folder: Path) -> list[Path]:
    """The files that metrics are written to."""
    return [p for p in sorted(folder.iterdir()) if p.name in (JSONL, MONITOR) or p.name.startswith(EVENTS)]


def cut_back(folder: Path, sizes: dict[str, int]) -> None:
    """Takes back what was written after the files had these sizes; files that are not named go.

    Raises:
        UserError: one is shorter, or is not there.
    """
    there = {path.name: path for path in written(folder)}
    for name, size in sizes.items():
        if name not in there or there[name].stat().st_size < size:
            raise UserError(f"{folder / name} has lost what was written before the checkpoint: put it back")
    for name, path in there.items():
        if name in sizes:
            os.truncate(path, sizes[name])
        else:
            path.unlink()
