"""Looking at a memory: pictures of every kind of observation, an episode's slots, the sheet, TensorBoard's images."""

import base64
import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from reinstate.agents.networks import ObservationSpec
from reinstate.envs.adapt import make_vector
from reinstate.experiment.build import build_envs, untrained
from reinstate.experiment.cli import main
from reinstate.experiment.evaluation import play, start_evaluating
from reinstate.experiment.inspection import BAR, Slots, bars, most_read, play_episode, sheet, slots_of
from reinstate.experiment.options import RunOptions
from reinstate.experiment.pictures import picture, png
from reinstate.experiment.trained import load_agent


def test_a_symbolic_view_looks_as_the_environment_draws_it():
    """The same episode in symbols and in pixels."""
    actions = np.random.default_rng(0).integers(0, 3, 20)
    for env_id in ("Reinstate/GridTMazeCrowdedPassive-v0", "MiniGrid-MemoryS7-v0"):
        kwargs = {"length": 4} if env_id.startswith("Reinstate") else {}
        symbols = make_vector(env_id, 1, kwargs)
        pixels = make_vector(env_id, 1, kwargs | {"observation": "pixels"})
        seen, drawn = symbols.reset(seed=[3])[0], pixels.reset(seed=[3])[0]
        spec = ObservationSpec("grid", (7, 7, 3))
        for action in actions:
            assert np.array_equal(picture(spec, seen[0]), drawn[0])
            seen, drawn = (e.step(np.array([action]))[0] for e in (symbols, pixels))


def test_pictures_of_images_and_vectors_are_large_enough_to_be_seen():
    crop = np.random.default_rng(0).integers(0, 255, (5, 5, 3), dtype=np.uint8)
    enlarged = picture(ObservationSpec("image", (5, 5, 3)), crop)
    assert enlarged.shape == (60, 60, 3) and np.array_equal(enlarged[::12, ::12], crop)
    row = picture(ObservationSpec("vector", (3,)), np.array([-2.0, 0.0, 0.5], dtype=np.float32))
    below, zero, above = (row[0, x].astype(int) for x in (0, 14, 28))
    assert below[0] > below[2] and above[2] > above[0] and len(set(zero.tolist())) == 1


def test_what_no_tile_looks_like_is_black():
    view = np.full((7, 7, 3), 9, dtype=np.uint8)
    assert not picture(ObservationSpec("grid", (7, 7, 3)), view)[:48].any()


def test_png_keeps_every_pixel():
    image = np.random.default_rng(0).integers(0, 255, (6, 7, 3), dtype=np.uint8)
    read = Image.open(io.BytesIO(base64.b64decode(png(image).split(",")[1])))
    assert np.array_equal(np.asarray(read), image)


def first_with_slots(agent, options, count):
    """The first sampled episode with at least `count` slots, of which one can be read: what so little training has
    taught differs from one kind of processor to the next."""
    for seed in range(100):
        episode = play_episode(agent, options, seed, greedy=False)
        slots = slots_of(agent, episode)
        if len(slots.step) >= count and (slots.fidelity == 1).any():
            return seed, episode, slots
    raise AssertionError(f"no episode with {count} slots")


@pytest.mark.parametrize("mode", ["direct", "none"])
def test_slots_of_an_episode(train, tmp_path, mode):
    """After this little training the codec reads most of the few views: what is reinstated is what was seen."""
    run = tmp_path / "run"
    assert train(run, "--recalculation", mode, env="Reinstate/GridTMazePassive-v0", steps=320) == 0
    agent, options, _ = load_agent(run)
    seed, episode, slots = first_with_slots(agent, options, 2)
    assert (np.diff(slots.step) > 0).all()
    faithful = slots.fidelity == 1
    for i in np.flatnonzero(faithful):
        assert np.array_equal(slots.observation[i], slots.reinstated[i])
    for row, at in zip(slots.read, np.flatnonzero(faithful), strict=True):
        assert row[at] > 0 and not row[at + 1 :].any()  # nobody looks at what is not yet written
    assert (slots.gradient is None) == (mode == "none")
    if mode == "direct":
        sent = []
        for later in (0.0, 1.0, 2.0):  # the gradient is in proportion to the rewards after the decisions
            episode.memory.paid[:] = float(episode.total[0]) - later
            sent.append(slots_of(agent, episode).gradient)
        assert not sent[0].any() and sent[1].any()
        np.testing.assert_allclose(sent[2], 2 * sent[1], rtol=1e-4)
    again = slots_of(agent, play_episode(agent, options, seed, greedy=False))
    assert np.array_equal(again.step, slots.step) and np.array_equal(again.action, slots.action)
    assert all(p.grad is None or not p.grad.any() for p in agent.parameters())


def test_the_episode_is_the_first_of_its_seed():
    """Observations are kept beside its slots, and change nothing."""
    options = RunOptions(env="Reinstate/MemoryChain-v0", env_kwargs=("length=2",))
    agent = untrained(options)
    returns = set()
    for seed in range(6):
        envs = build_envs(options, 1)
        (first,) = play(envs, agent, start_evaluating(envs, agent, options, seed, greedy=False), np.array([1]))
        envs.close()
        assert float(play_episode(agent, options, seed, greedy=False).total[0]) == first.ret
        returns.add(first.ret)
    assert len(returns) > 1


def hand_made(gradient):
    frames = [np.full((56, 56, 3), value, dtype=np.uint8) for value in (10, 20, 30)]
    read = np.array([[0.2, 0.0, 0.0], [0.1, 0.6, 0.0], [0.1, 0.2, 0.1]])
    ones = np.ones(3)
    return Slots(np.array([0, 4, 1_900]), np.array([1, 2, 0]), frames, frames[::-1], ones, read, gradient)


def test_the_most_read_slots_stand_in_order_of_writing():
    """Slots 1 (0.8) and 0 (0.4) of three; seen above, reinstated below."""
    image = most_read(ObservationSpec("image", (56, 56, 3)), hand_made(None), 2)
    assert image.shape == (112, 112, 3)
    assert [image[0, 0, 0], image[0, 56, 0], image[56, 0, 0], image[56, 56, 0]] == [10, 20, 30, 20]


def test_a_sheet_has_a_row_for_each_slot():
    spec = ObservationSpec("image", (56, 56, 3))
    page = sheet(spec, hand_made(np.array([0.5, 0.0, 0.25])), "a <run>")
    rows = page.split("<tr>")[2:]
    assert len(rows) == 3 and "a &lt;run&gt;" in page and "<run>" not in page
    assert "1,900" in rows[2] and "2.50e-01" in rows[2] and rows[2].count("<img") == 2
    assert "<td>-</td>" in sheet(spec, hand_made(None), "no gradient").split("<tr>")[2]


def test_bars_are_as_high_as_the_weights():
    assert re.findall(r"height:(\d+)px", bars(np.array([0.0, 0.5, 1.0]))) == ["0", str(BAR // 2), str(BAR)]


def test_inspect_command(memory_run, tmp_path, capsys):
    run = shutil.copytree(memory_run, tmp_path / "run")
    assert main(["inspect", str(run), "--stochastic"]) == 0
    assert str(run / "inspect.html") in capsys.readouterr().out
    assert (run / "inspect.html").read_text().count("<img") >= 2
    assert main(["inspect", str(run), "--output", str(tmp_path / "other.html"), "--env-kwargs", "length=6"]) == 0
    assert "length=6" in (tmp_path / "other.html").read_text()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--output", "nowhere/x.html"], "--output"),
        (["--output", "."], "--output"),
        (["--seed", "-1"], "--seed"),
        (["--checkpoint", "x"], "there is"),
    ],
)
def test_bad_input_of_inspect(memory_run, capsys, flags, says):
    assert main(["inspect", str(memory_run), *flags]) == 2
    assert says in capsys.readouterr().err


def test_an_agent_without_memory_has_nothing_to_show(memoryless_run, capsys):
    assert main(["inspect", str(memoryless_run)]) == 2
    assert "--agent none" in capsys.readouterr().err


def test_tensorboard_shows_the_memory(memory_run):
    events = EventAccumulator(str(memory_run))
    events.Reload()
    assert events.Tags()["images"] == ["memory/seen_above_reinstated"]
    assert events.Images("memory/seen_above_reinstated")[0].height == 112


@pytest.mark.parametrize("output", ["/proc/page.html", "x" * 400, "a\0b", "nowhere/page.html", "."])
def test_a_page_that_cannot_be_written(memory_run, tmp_path, monkeypatch, capsys, output):
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", str(memory_run), "--output", output]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.endswith("choose another --output\n") and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
