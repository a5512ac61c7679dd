"""Comparing what is seen with what is remembered: the labels are right, and the figure counts what it says."""

import pytest
import torch

from benchmarks.measures import comparison
from benchmarks.measures.comparison import Player, first_of_equals, squares_in, told, updates_needed
from reinstate.envs.three_phases import BLUE, COLOURS, GREEN, RED, WALL


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(comparison, "EPISODES", 24)


def test_squares_are_seen_by_their_colour():
    picture = torch.from_numpy(COLOURS[WALL]).repeat(5, 5, 1)
    both = picture.clone()
    both[0, 4], both[2, 2] = (torch.from_numpy(COLOURS[c]) for c in (BLUE, RED))
    green = picture.clone()
    green[4, 0] = torch.from_numpy(COLOURS[GREEN])
    assert squares_in(torch.stack([picture, both, green])).tolist() == [[0, 0, 0], [1, 0, 1], [0, 1, 0]]


def test_what_was_seen_before_in_its_episode_is_not_a_slot_of_its_own():
    pictures = torch.tensor([[1, 2, 1, 3, 2], [2, 2, 1, 1, 3]])[..., None, None, None].expand(-1, -1, 5, 5, 3)
    assert first_of_equals(pictures).tolist() == [[1, 1, 0, 1, 0], [1, 0, 1, 0, 1]]


@pytest.mark.parametrize("task, explore", [("VisualMatchPassive", 1), ("VisualMatchActive", 15)])
def test_labels_and_outcomes(few, task, explore):
    seen = Player(task, 0).play()
    assert len(seen.now) > 50 and 0 < seen.label.float().mean() < 1
    for i, (episode, now) in enumerate(zip(seen.episode.tolist(), seen.now.tolist(), strict=True)):
        [cue] = squares_in(seen.pictures[episode, :explore]).any(dim=0).nonzero()[:, 0].tolist()  # one, and it was seen
        in_view = squares_in(seen.pictures[episode, now])
        assert in_view.any() and now >= explore + comparison.DELAY
        assert bool(in_view[cue]) == bool(seen.label[i])
        pictures = seen.pictures[episode].flatten(1)
        slots = pictures[seen.visible[i]]
        assert len(slots) == len(torch.unique(pictures[: now + 1], dim=0)) == len(torch.unique(slots, dim=0))
        assert len(slots) <= comparison.SLOTS[task]
    paid = [seen.outcome[seen.label == label].float().mean() for label in (0, 1)]
    assert paid[0] < paid[1] / 2


def test_pairs_that_are_told():
    label = torch.tensor([1, 0, 1, 0, 0])
    assert told(torch.tensor([3.0, 1.0, 2.0, 2.5, 0.0]), label) == pytest.approx(5 / 6)  # 2 < 2.5 is the one mistake
    assert told(label.float(), label) == 1.0


def test_updates_are_counted_and_given_up(few, monkeypatch):
    monkeypatch.setattr(comparison, "EVERY", 2)
    monkeypatch.setattr(comparison, "TOLD", 0.0)
    assert updates_needed("VisualMatchActive", "--compare", "label", 1, 5) == 2
    monkeypatch.setattr(comparison, "TOLD", 1.1)
    assert updates_needed("VisualMatchPassive", "default", "outcome", 1, 3) is None


def test_a_way_is_what_it_says(few):
    seen = Player("VisualMatchPassive", 0).play()
    for way, (compare, full, anywhere) in comparison.WAYS.items():
        network = comparison.Network("VisualMatchPassive", way, 1)
        assert network(seen).shape == (len(seen.now), 2)
        assert network.agent.options.compare == compare
        encoder = network.agent.embed[0]
        assert bool(encoder.features.weight.detach().norm() > 1) == full
        assert (encoder.anywhere is not None) == anywhere


def test_the_table(few, monkeypatch):
    for name, value in (("TASKS", {"VisualMatchPassive": ("default",)}), ("SEEDS", 1), ("UPDATES", 2)):
        monkeypatch.setattr(comparison, name, value)
    rows = [row for cell in comparison.cells([]) for row in comparison.rows(cell)]
    assert comparison.table([*rows, rows[0] | {"seed": 2, "updates": 1020}]).splitlines()[2:] == [
        "| VisualMatchPassive | labels | default | - | 1,020 |",
        "| VisualMatchPassive | outcomes | default | - | - |",
    ]
