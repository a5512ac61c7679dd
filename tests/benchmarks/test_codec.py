"""The measure of the image codec runs, and its cue check finds a cue that was lost."""

import pytest
import torch

from benchmarks.measures import codec
from reinstate.memory.codec.patches import PatchGrid
from reinstate.memory.tensors import unique_rows


def test_a_small_table(monkeypatch):
    tasks = {name: codec.TASKS[name] for name in ("Visual Match 5x5", "T-Maze 56x56")}
    for name, value in (("TASKS", tasks), ("ENVS", 4), ("STEPS", 2), ("CHECKS", (20,)), ("NOISES", (0.1,))):
        monkeypatch.setattr(codec, name, value)
    monkeypatch.setattr(codec, "NOISY", "T-Maze 56x56")
    monkeypatch.setattr(codec, "best_ms", lambda work: work() is None or 1.0)
    wanted = [c for c in codec.cells([]) if c["frames"] == "Visual Match 5x5" or c["noise"]]
    lines = codec.table([row for cell in wanted for row in codec.rows(cell)]).splitlines()
    cells = [[c.strip() for c in line.split("|")[1:-1]] for line in lines]
    assert [c[:4] for c in cells[2:]] == [
        ["Visual Match 5x5", "0", "32", "100"],
        ["Visual Match 5x5", "0", "11", "35"],
        ["Visual Match 5x5", "0", "3", "10"],
        ["T-Maze 56x56", "0.1", "27", "166"],
        ["T-Maze 56x56", "0.1", "6", "37"],
    ]
    assert all(len(c) == len(cells[0]) and 0 <= float(c[5]) <= 1 for c in cells[2:])


def test_a_cell_is_the_cue_that_it_is_nearest_to():
    kinds = torch.tensor([[0, 0, 0], [255, 0, 0], [0, 255, 0]], dtype=torch.uint8)
    images = torch.zeros(2, 5, 5, 3, dtype=torch.uint8)
    images[0, 0, 1], images[1, 4, 4] = torch.tensor([180, 60, 0]), torch.tensor([100, 60, 0])
    found = codec.cue_cells(PatchGrid.of((5, 5, 3)), images, kinds, kinds[1:])
    assert found.shape == (2, 25) and found[0, 1] == 0 and (found[0] >= 0).sum() == 1 and (found[1] == -1).all()


@pytest.mark.parametrize("task", codec.TASKS)
def test_cues_are_patches_of_the_task(task):
    t = codec.TASKS[task]
    _, clean = codec.Frames(t, 0.0).rollout()
    grid = PatchGrid.of(tuple(clean.shape[1:]))
    cues = torch.from_numpy(t.cues).flatten(1)
    kinds = unique_rows(grid.cut(clean))[0]
    assert (codec.cue_cells(grid, clean, kinds, cues) >= 0).any(dim=1).float().mean() > 0.005
