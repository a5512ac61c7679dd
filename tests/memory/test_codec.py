"""Packing, hashes, the ring of distinct frames, and that a codec reads what it wrote."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reinstate.memory.bits import pack_bits, unpack_bits
from reinstate.memory.codec import PATIENCE, VERSIONS, Codec
from reinstate.memory.frame_ring import FrameRing, hash_rows
from reinstate.memory.image_codec import ImageAutoencoder
from reinstate.memory.tile_codec import TileAutoencoder
from reinstate.memory.vector_codec import VectorAutoencoder

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


@given(st.lists(st.lists(st.booleans(), min_size=11, max_size=11), min_size=1, max_size=5))
def test_bits_survive_packing(rows):
    bits = torch.tensor(rows)
    assert torch.equal(unpack_bits(pack_bits(bits), 11), bits)


def test_hashes_tell_rows_apart_and_equal_rows_together():
    frames = scenes(500, 0)
    hashes = hash_rows(torch.cat([frames, frames.flip(0)]))
    assert len(hashes.unique()) == len(torch.unique(frames.flatten(1), dim=0))
    assert torch.equal(hashes[:500], hashes[500:].flip(0))
    assert hash_rows(frames[:0]).shape == (0,)


def test_a_hash_mixes_words_of_eight_bytes_and_wraps():
    row = torch.tensor([[250, 3, 0, 255, 7, 7, 9, 200, 1, 128]], dtype=torch.uint8)  # a word, and two bytes of the next
    mix, total = 0x9E3779B97F4A7C15, 0

    def signed(n):
        return (n + 2**63) % 2**64 - 2**63

    for w, raw in enumerate((bytes(row[0, :8].tolist()), bytes(row[0, 8:].tolist())), start=1):
        key = signed((w * mix) | 1)
        mixed = signed((int.from_bytes(raw, "little", signed=len(raw) == 8) ^ key) * mix)
        mixed = signed((mixed ^ (mixed >> 29)) * key)
        total += mixed ^ (mixed >> 32)
    assert hash_rows(row).tolist() == [signed(total)]


def test_the_ring_holds_each_frame_once_and_forgets_the_oldest():
    frames = torch.arange(6.0)[:, None]
    ring = FrameRing(4, frames[0])
    assert ring.add(frames[[0, 1, 0, 1]]) == 2
    assert ring.add(frames[:3]) == 1
    assert ring.frames[:3, 0].tolist() == [0, 1, 2] and ring.size == 3
    assert ring.add(frames[3:]) == 3
    assert sorted(ring.frames[:, 0].tolist()) == [2, 3, 4, 5] and ring.size == 4
    assert ring.add(frames[:1]) == 1  # forgotten, so it is new again


def trained(net, frames, updates):
    codec = Codec(net, FrameRing(len(frames), frames[0]))
    codec.ring.add(frames)
    g = torch.Generator().manual_seed(0)
    for _ in range(updates):
        codec.learn(20, g)
    return codec


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


def read_whole(coder, frames):
    return (coder.fidelity(frames, coder.encode(frames)) == 1).all()


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
    assert read_whole(coder, frames)


@pytest.mark.parametrize("width, reach", [(1, 27.0), (3, 9.0), (10, 2.7)])
def test_more_bits_for_a_component_reach_further(width: int, reach: float):
    coder = VectorAutoencoder((width,), 294).freeze()
    ends = torch.tensor([[-reach], [reach]]).expand(2, width)
    assert read_whole(coder, ends) and not read_whole(coder, 1.1 * ends)


def test_a_vector_codec_learns_what_lies_further_out():
    torch.manual_seed(0)
    frames = torch.tensor([[x, y] for x in (0.0, 5.0) for y in (-5.0, 0.0, 5.0)])
    codec = trained(VectorAutoencoder((2,), 16), frames, 0)
    assert not read_whole(codec.current, frames)
    codec = trained(VectorAutoencoder((2,), 16), frames, 100)
    assert read_whole(codec.current, frames)
    assert len(codec.current.encode(frames).unique(dim=0)) == 6


def test_a_vector_codec_learns_more_components_than_it_has_bits():
    torch.manual_seed(0)
    frames = (torch.randint(0, 2, (4, 1)).expand(4, 40).float() * torch.linspace(-1, 1, 40)).contiguous()
    frames = torch.cat([frames, 1 - frames])
    codec = trained(VectorAutoencoder((40,), 8), frames, 100)
    assert read_whole(codec.current, frames)


def test_codes_of_older_versions_decode_by_the_version_that_wrote_them():
    torch.manual_seed(0)
    frames = scenes(50, 0)
    codec = trained(TileAutoencoder((7, 7, 3), CATEGORIES, 294), frames, 0)
    old, first = codec.current.encode(frames), codec.version
    expected = codec.current.decode(old)
    g = torch.Generator().manual_seed(1)
    while codec.version == first:
        codec.learn(20, g)
    now = codec.current.encode(frames)
    mixed = codec.decode(torch.cat([old, now]), torch.tensor([first] * 50 + [codec.version] * 50))
    assert torch.equal(mixed, torch.cat([expected, codec.current.decode(now)]))
    assert not torch.equal(codec.current.decode(old), expected)  # today's version would misread them


def test_a_version_is_readable_as_long_as_it_is_kept():
    codec = Codec(VectorAutoencoder((2,), 8), FrameRing(4, torch.zeros(2)))
    codec.version = VERSIONS + 2
    assert codec.readable(torch.tensor([2, 3, VERSIONS + 2])).tolist() == [False, True, True]


def test_only_so_many_versions_are_kept():
    torch.manual_seed(0)
    frames, g = scenes(50, 0), torch.Generator().manual_seed(1)
    ring = FrameRing(64, frames[0])
    ring.add(frames)
    codec = Codec(TileAutoencoder((7, 7, 3), CATEGORIES, 294), ring, versions=2)
    while codec.version < 3:
        codec.learn(5, g)
    now = codec.version
    assert sorted(codec.coders) == [now - 1, now]
    assert codec.readable(torch.tensor([now - 2, now - 1, now])).tolist() == [False, True, True]


def test_a_codec_that_is_stuck_begins_anew():
    torch.manual_seed(0)
    frames = torch.tensor([[25, 25, 25], [204, 204, 204], [255, 0, 0]], dtype=torch.uint8).view(3, 1, 1, 3)
    codec = trained(ImageAutoencoder((1, 1, 3), 4), frames, 0)
    with torch.no_grad():
        codec.autoencoder.encoder[2].weight.zero_()  # no unit of the second layer is alive, and no gradient wakes one
        codec.autoencoder.encoder[2].bias.fill_(-1.0)
    g, best = torch.Generator().manual_seed(1), []
    for _ in range(3 * PATIENCE):
        codec.learn(20, g)
        best.append(float(codec.current.fidelity(frames, codec.current.encode(frames)).mean()))
    stuck = best.index(1.0)
    assert max(best[:PATIENCE]) < 1.0 and stuck > PATIENCE
    assert (codec.patience, codec.waited) == (2 * PATIENCE, 0)  # one that reads all has no reason to begin anew


def test_a_pixel_that_came_out_too_black_comes_back():
    torch.manual_seed(0)
    frames = torch.tensor([[25, 25, 25], [204, 204, 204], [255, 0, 0]], dtype=torch.uint8).view(3, 1, 1, 3)
    codec = trained(ImageAutoencoder((1, 1, 3), 4), frames, 0)
    with torch.no_grad():
        codec.autoencoder.decoder[0][-1].bias[2] = -30.0  # blue saturates at 0
    g = torch.Generator().manual_seed(1)
    for _ in range(PATIENCE - 1):  # it does not begin anew
        codec.learn(20, g)
    assert (codec.current.fidelity(frames, codec.current.encode(frames)) == 1).all()


@pytest.mark.parametrize("loss, size", [(0.3, 5e-3), (0.03, 5e-3), (0.015, 2.5e-3), (0.003, 5e-4)])
def test_small_steps_where_the_image_codec_is_nearly_right(loss: float, size: float):
    assert ImageAutoencoder((1, 1, 3), 4).step_size(loss) == pytest.approx(size)


def test_the_codec_steps_as_far_as_its_autoencoder_says():
    torch.manual_seed(0)
    frames = scenes(4, 0)
    codec = trained(TileAutoencoder((7, 7, 3), CATEGORIES, 294), frames, 0)
    told = []
    codec.autoencoder.step_size = lambda loss: told.append(loss) or 0.0
    before = [p.clone() for p in codec.autoencoder.parameters()]
    last = codec.learn(3, torch.Generator().manual_seed(1))
    assert len(told) == 3 and told[-1] == last
    assert all(torch.equal(a, b) for a, b in zip(before, codec.autoencoder.parameters(), strict=True))


def test_too_few_bits_is_a_clear_error():
    with pytest.raises(ValueError, match="--code-bits from 49 to 784"):
        TileAutoencoder((7, 7, 3), CATEGORIES, 48)
