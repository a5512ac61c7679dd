"""A codec reads what it wrote, learns online, and keeps its last versions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reinstate.memory.codec.bits import pack_bits, unpack_bits
from reinstate.memory.codec.codec import VERSIONS, Codec, build_codec
from reinstate.memory.codec.frames import FrameBuffer
from reinstate.memory.codec.image import ImageAutoencoder
from reinstate.memory.codec.tile import TileAutoencoder
from reinstate.memory.codec.training import PATIENCE, CodecTraining
from reinstate.memory.codec.vector import VectorAutoencoder
from tests.states import assert_same_state, through_a_file

CATEGORIES = (11, 6, 4)


def scenes(count, seed):
    """Random 7x7 scenes of walls, floor, and a few keys, balls and boxes of every colour."""
    g = torch.Generator().manual_seed(seed)
    grid = torch.zeros(count, 7, 7, 3, dtype=torch.uint8)
    grid[..., 0] = 1 + (torch.rand(count, 7, 7, generator=g) < 0.3)
    objects = torch.rand(count, 7, 7, generator=g) < 0.1
    grid[..., 0][objects] = torch.randint(5, 8, (int(objects.sum()),), generator=g).to(torch.uint8)
    grid[..., 1][objects] = torch.randint(0, 6, (int(objects.sum()),), generator=g).to(torch.uint8)
    return grid


@settings(max_examples=30)
@given(st.lists(st.lists(st.booleans(), min_size=11, max_size=11), min_size=1, max_size=5))
def test_bits_survive_packing(rows):
    bits = torch.tensor(rows)
    assert torch.equal(unpack_bits(pack_bits(bits), 11), bits)


def training_of(net, frames, versions=VERSIONS):
    """The training of a codec on these frames, which has not begun."""
    buffer = FrameBuffer(len(frames), frames[0])
    buffer.add(frames)
    return CodecTraining(Codec(net, versions), buffer, 20, 1.0)


def reads(coder, frames):
    return bool((coder.fidelity(frames, coder.encode(frames)) == 1).all())


def trained(net, frames, rounds):
    """A codec trained until it reads these frames, for at most so many rounds of 20 updates."""
    training, g = training_of(net, frames), torch.Generator().manual_seed(0)
    for _ in range(rounds):
        training.train(20, g)
        if reads(training.codec.current, frames):
            break
    return training.codec


def test_a_trained_tile_codec_reads_scenes_it_has_never_seen():
    torch.manual_seed(0)
    codec = trained(TileAutoencoder((7, 7, 3), CATEGORIES, 294), scenes(200, 0), 30)
    fresh = scenes(100, 1)
    codes = codec.current.encode(fresh)
    assert codes.shape == (100, 37) and codes.dtype == torch.uint8
    assert torch.equal(codec.current.decode(codes), fresh)
    assert (codec.current.fidelity(fresh, codes) == 1).all()


def test_fidelity_is_the_share_of_tiles_that_decode():
    torch.manual_seed(0)
    coder = TileAutoencoder((7, 7, 3), CATEGORIES, 294).freeze()
    frames = scenes(20, 0)
    codes = coder.encode(frames)
    right = (coder.decode(codes) == frames).all(dim=3).flatten(1).float().mean(dim=1)
    assert torch.equal(coder.fidelity(frames, codes), right) and right.mean() < 0.9


def test_a_vector_codec_begins_as_a_thermometer():
    codec = VectorAutoencoder((2,), 6).freeze()  # three thresholds for each: -0.5, 0, 0.5
    frames = torch.tensor([[-9.0, -0.51], [-0.4, -0.1], [0.1, 0.4], [0.6, 9.0]])
    codes = codec.encode(frames)
    assert codes[:, 0].tolist() == [0b000_000, 0b001_001, 0b011_011, 0b111_111]
    expected = torch.tensor([[-0.75, -0.75], [-0.25, -0.25], [0.25, 0.25], [0.75, 0.75]])
    torch.testing.assert_close(codec.decode(codes), expected)


@given(
    st.integers(2, 29).flatmap(  # 294 bits give 10 or more to each
        lambda width: st.lists(st.lists(st.floats(-1, 1, width=32), min_size=width, max_size=width), min_size=1)
    )
)
@settings(max_examples=30)
def test_a_vector_codec_reads_what_lies_near_0_before_it_has_learnt(rows):
    frames = torch.tensor(rows)
    coder = VectorAutoencoder(frames.shape[1:], 294).freeze()
    assert reads(coder, frames)


@pytest.mark.parametrize("width, reach", [(1, 27.0), (3, 9.0), (10, 2.7)])
def test_more_bits_for_a_component_reach_further(width: int, reach: float):
    coder = VectorAutoencoder((width,), 294).freeze()
    ends = torch.tensor([[-reach], [reach]]).expand(2, width)
    assert reads(coder, ends) and not reads(coder, 1.1 * ends)


def test_a_vector_codec_learns_what_lies_further_out():
    torch.manual_seed(0)
    frames = torch.tensor([[x, y] for x in (0.0, 5.0) for y in (-5.0, 0.0, 5.0)])
    assert not reads(VectorAutoencoder((2,), 16).freeze(), frames)
    codec = trained(VectorAutoencoder((2,), 16), frames, 100)
    assert reads(codec.current, frames)
    assert len(codec.current.encode(frames).unique(dim=0)) == 6


def test_a_vector_codec_learns_more_components_than_it_has_bits():
    torch.manual_seed(0)
    frames = (torch.randint(0, 2, (4, 1)).expand(4, 40).float() * torch.linspace(-1, 1, 40)).contiguous()
    frames = torch.cat([frames, 1 - frames])
    codec = trained(VectorAutoencoder((40,), 8), frames, 100)
    assert reads(codec.current, frames)


def test_codes_of_older_versions_decode_by_the_version_that_wrote_them():
    torch.manual_seed(0)
    frames = scenes(50, 0)
    training = training_of(TileAutoencoder((7, 7, 3), CATEGORIES, 294), frames)
    codec = training.codec
    old, first = codec.current.encode(frames), codec.version
    expected = codec.current.decode(old)
    g = torch.Generator().manual_seed(1)
    while codec.version == first:
        training.train(20, g)
    now = codec.current.encode(frames)
    mixed = codec.decode(torch.cat([old, now]), torch.tensor([first] * 50 + [codec.version] * 50))
    assert torch.equal(mixed, torch.cat([expected, codec.current.decode(now)]))
    assert not torch.equal(codec.current.decode(old), expected)  # today's version would misread them


def test_a_version_is_readable_as_long_as_it_is_kept():
    codec = Codec(VectorAutoencoder((2,), 8))
    codec.version = VERSIONS + 2
    assert codec.readable(torch.tensor([2, 3, VERSIONS + 2])).tolist() == [False, True, True]


def test_only_so_many_versions_are_kept():
    codec = Codec(VectorAutoencoder((2,), 8), versions=2)
    for _ in range(3):
        codec.publish(codec.autoencoder.freeze())
    assert sorted(codec.coders) == [2, 3] and codec.version == 3
    assert codec.readable(torch.tensor([1, 2, 3])).tolist() == [False, True, True]


def test_a_version_is_published_only_if_it_reads_better():
    torch.manual_seed(0)
    frames = scenes(50, 0)
    training, g = training_of(TileAutoencoder((7, 7, 3), CATEGORIES, 294), frames), torch.Generator().manual_seed(1)
    scores = []
    for _ in range(12):
        before, coder = training.codec.version, training.codec.current
        training.train(5, g)
        scores.append(float(coder.fidelity(frames, coder.encode(frames)).mean()))
        assert training.codec.version == before + (training.codec.current is not coder)
    assert scores == sorted(scores) and scores[-1] > scores[0]


THREE_PIXELS = torch.tensor([[25, 25, 25], [204, 204, 204], [255, 0, 0]], dtype=torch.uint8).view(3, 1, 1, 3)


def test_a_codec_that_is_stuck_begins_anew():
    torch.manual_seed(0)
    training = training_of(ImageAutoencoder((1, 1, 3), 4), THREE_PIXELS)
    assert training.patience == PATIENCE
    training.patience = patience = 10
    with torch.no_grad():
        training.codec.autoencoder.encoder[2].weight.zero_()  # no unit of the second layer is alive, and no gradient
        training.codec.autoencoder.encoder[2].bias.fill_(-1.0)  # wakes one
    g, read = torch.Generator().manual_seed(1), []
    while len(read) < 3 * patience and not (read and read[-3:] == [True] * 3):
        training.train(20, g)
        read.append(reads(training.codec.current, THREE_PIXELS))
    assert True in read and read.index(True) > patience
    assert (training.patience, training.waited) == (2 * patience, 0)  # one that reads all has no reason to begin anew


def test_a_pixel_that_came_out_too_black_comes_back():
    torch.manual_seed(0)
    net = ImageAutoencoder((1, 1, 3), 4)
    with torch.no_grad():
        net.decoder[0][-1].bias[2] = -30.0  # blue saturates at 0
    codec = trained(net, THREE_PIXELS, PATIENCE - 1)  # it does not begin anew
    assert reads(codec.current, THREE_PIXELS)


@pytest.mark.parametrize("loss, size", [(0.3, 5e-3), (0.03, 5e-3), (0.015, 2.5e-3), (0.003, 5e-4)])
def test_small_steps_where_the_image_codec_is_nearly_right(loss: float, size: float):
    assert ImageAutoencoder((1, 1, 3), 4).step_size(loss) == pytest.approx(size)


def test_the_codec_steps_as_far_as_its_autoencoder_says():
    torch.manual_seed(0)
    training = training_of(TileAutoencoder((7, 7, 3), CATEGORIES, 294), scenes(4, 0))
    net, reported = training.codec.autoencoder, []
    net.step_size = lambda loss: reported.append(loss) or 0.0
    before = [p.clone() for p in net.parameters()]
    last = training.train(3, torch.Generator().manual_seed(1))
    assert len(reported) == 3 and reported[-1] == last
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_it_rests_while_it_reads_all_that_is_written():
    """New frames are kept all the same."""
    frames = torch.tensor([[0.1, 0.2], [0.3, -0.4], [30.0, 0.0]])  # a new codec reads the first two
    training, g = training_of(VectorAutoencoder((2,), 40), frames[:1]), torch.Generator().manual_seed(0)
    training.frames = FrameBuffer(8, frames[0])
    before = g.get_state()
    assert training.learn(frames[:0], g) == {}
    assert training.learn(frames[:2], g) == {"codec/fidelity": 1.0, "codec/faithful": 1.0}
    assert training.frames.size == 2 and torch.equal(g.get_state(), before)
    log = training.learn(frames[1:], g)
    assert (log["codec/fidelity"], log["codec/faithful"]) == (0.75, 0.5) and log["codec/loss"] > 0
    assert training.frames.size == 3 and not torch.equal(g.get_state(), before)
    training.min_fidelity = 0.5
    assert "codec/loss" not in training.learn(frames[1:], g)  # half of a frame is enough


KINDS = {
    "grid": (scenes(60, 0), ("grid", (7, 7, 3), CATEGORIES, 294)),
    "vector": (torch.tensor([[x, y] for x in (0.0, 5.0) for y in (-5.0, 0.0, 5.0)]), ("vector", (2,), (), 16)),
    "image": (THREE_PIXELS, ("image", (1, 1, 3), (), 4)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_codec_and_training_go_on_from_their_states(kind):
    """With several versions, and in the middle of its patience: what is loaded goes on as if nothing had been, to the
    bit, and what older versions wrote still decodes."""
    frames, arguments = KINDS[kind]

    def begin(seed):
        torch.manual_seed(seed)
        training = training_of(frames=frames, net=build_codec(*arguments).autoencoder, versions=4)
        training.patience = 6
        return training, torch.Generator().manual_seed(seed)

    def state_of(training, g):
        return {"codec": training.codec.state_dict(), "training": training.state_dict(), "generator": g.get_state()}

    def load(training, g, state):
        training.codec.load_state_dict(state["codec"])
        training.load_state_dict(state["training"])
        g.set_state(state["generator"])

    first, g = begin(0)
    while first.codec.version < 2 or (first.waited == 0 and not reads(first.codec.current, frames)):
        first.train(5, g)
    version = torch.arange(len(frames)) % 2 + first.codec.version - 1
    codes = torch.stack([first.codec.coders[int(v)].encode(f[None])[0] for f, v in zip(frames, version, strict=True)])
    second, h = begin(1)
    load(second, h, through_a_file(state_of(first, g)))
    assert torch.equal(first.codec.decode(codes, version), second.codec.decode(codes, version))
    for training, generator in ((first, g), (second, h)):
        for _ in range(8):
            training.train(3, generator)
    assert_same_state(state_of(first, g), state_of(second, h))


def test_too_few_bits_is_a_clear_error():
    with pytest.raises(ValueError, match="--code-bits from 49 to 784"):
        TileAutoencoder((7, 7, 3), CATEGORIES, 48)


def wide(count, width, varying, seed=0):
    """Vectors of which only some components vary; the others have any values."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(width, generator=torch.Generator().manual_seed(9)).repeat(count, 1)
    x[:, varying] = torch.randint(0, 4, (count, len(varying)), generator=g).float()
    return x


def test_of_a_wide_vector_what_varies_is_coded_and_the_rest_is_known():
    """Read without any training, in codes that fit a slot; constants, too, are checked."""
    varying = list(range(3, 1000, 10))
    frames = wide(64, 1000, varying)
    codec = build_codec("vector", (1000,), (), None)
    net = codec.autoencoder
    assert net.code_bytes == 150
    net.range.extend(frames.amin(0), frames.amax(0))
    assert net.outgrown
    codec.restart()
    assert not net.outgrown and reads(codec.current, frames)
    other = frames.clone()
    other[:, 0] += 1.0
    assert not reads(codec.current, other)
    again = build_codec("vector", (1000,), (), None)
    again.load_state_dict(codec.state_dict())
    assert reads(again.current, frames)


def test_a_wide_codec_starts_again_when_many_more_components_vary():
    frames = wide(64, 600, list(range(300, 400)))
    codec = build_codec("vector", (600,), (), None)
    for found, grown in ((frames, True), (wide(64, 600, list(range(300, 410))), False)):
        codec.autoencoder.range.extend(found.amin(0), found.amax(0))
        assert codec.autoencoder.outgrown == grown
        if grown:
            codec.restart()
    found = wide(64, 600, list(range(290, 450)))
    codec.autoencoder.range.extend(found.amin(0), found.amax(0))
    assert codec.autoencoder.outgrown
    codec.restart()
    assert codec.version == 2 and codec.autoencoder.varied == 160


def test_training_a_wide_codec_costs_about_as_much_as_a_narrow_one():
    """In multiplications: the batch shrinks with width and bits."""
    narrow, broad = (build_codec("vector", (width,), (), None).autoencoder for width in (23, 2835))
    work = [net.batch_size * net.thresholds.weight.numel() for net in (narrow, broad)]
    assert narrow.batch_size == 256 and broad.batch_size >= 16 and work[1] < 4 * work[0]
