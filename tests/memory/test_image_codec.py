"""Patches, and the codec of images: rare small things survive, and fidelity says what does not."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reinstate.memory.codec.bits import bits_to_numbers, numbers_to_bits, pack_bits, unpack_bits
from reinstate.memory.codec.codec import Codec, build_codec
from reinstate.memory.codec.frames import FrameBuffer
from reinstate.memory.codec.image import (
    MAX_TOLERANCE,
    MIN_TOLERANCE,
    NEARER,
    ImageAutoencoder,
    patch_distance,
    tolerance_for,
)
from reinstate.memory.codec.patches import PatchGrid
from reinstate.memory.codec.training import CodecTraining
from reinstate.memory.tensors import unique_rows

SIDE = 14  # patches of 2x2: small, so that tests are fast


def scenes(count, seed, rare=True):
    """Black images with grey walls; in the last one a single pixel is green, in the one before it is red."""
    g = torch.Generator().manual_seed(seed)
    cells = (torch.rand(count, 7, 7, 1, generator=g) < 0.3) * torch.tensor([100, 100, 100])
    image = cells.to(torch.uint8).repeat_interleave(2, 1).repeat_interleave(2, 2)
    if rare:
        image[-1, 5, 5] = torch.tensor([0, 255, 0], dtype=torch.uint8)
        image[-2, 5, 5] = torch.tensor([255, 0, 0], dtype=torch.uint8)
    return image


def trained(frames, bits, updates=600):
    """The training of a codec that has had at most so many updates: it ends once all frames are read."""
    torch.manual_seed(0)
    buffer = FrameBuffer(len(frames), frames[0])
    buffer.add(frames)
    training = CodecTraining(Codec(ImageAutoencoder(tuple(frames.shape[1:]), bits)), buffer, 20, 1.0)
    g = torch.Generator().manual_seed(0)
    for _ in range(updates // 20):
        training.train(20, g)
        if reads(training.codec.current, frames):
            break
    return training


def reads(coder, frames):
    return bool((coder.fidelity(frames, coder.encode(frames)) == 1).all())


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2), st.integers(0, 99))
def test_cut_and_join_are_inverse_for_every_shape(height, width, count, seed):
    g = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, height, width, 3), generator=g).to(torch.uint8)
    for grid in (PatchGrid.of((height, width, 3)), PatchGrid((height, width, 3), 2, -(-height // 2), -(-width // 2))):
        patches = grid.cut(images)
        assert patches.shape == (count * grid.count, grid.size)
        assert torch.equal(grid.join(patches), images)


def test_patches_are_squares_row_by_row():
    image = torch.arange(4 * 4 * 3).view(1, 4, 4, 3).to(torch.uint8)
    patches = PatchGrid((4, 4, 3), 2, 2, 2).cut(image)
    assert torch.equal(patches[1].view(2, 2, 3), image[0, :2, 2:])
    assert torch.equal(patches[2].view(2, 2, 3), image[0, 2:, :2])


@given(st.integers(1, 32), st.integers(1, 50), st.integers(0, 3), st.integers(0, 99))
def test_numbers_of_patches_survive_packing(bits, patches, count, seed):
    g = torch.Generator().manual_seed(seed)
    numbers = torch.randint(0, 2**bits, (count, patches), generator=g)
    packed = pack_bits(numbers_to_bits(numbers, bits).flatten(1))
    assert packed.shape == (count, -(-bits * patches // 8)) and packed.dtype == torch.uint8
    back = unpack_bits(packed, bits * patches).view(count, patches, bits)
    assert torch.equal(bits_to_numbers(back), numbers)


@settings(max_examples=20)
@given(
    st.sampled_from([(5, 5, 3), (9, 16, 3), (56, 56, 3), (84, 84, 3)]),
    st.sampled_from([1, 6, 32]),
    st.integers(0, 3),
)
def test_shapes_of_codes_and_reinstatements(shape, bits, count):
    net = ImageAutoencoder(shape, bits * PatchGrid.of(shape).count)
    coder, frames = net.freeze(), torch.zeros(count, *shape, dtype=torch.uint8)
    codes = coder.encode(frames)
    assert codes.shape == (count, net.code_bytes) and codes.dtype == torch.uint8
    back = coder.decode(codes)
    assert back.shape == frames.shape and back.dtype == torch.uint8
    assert coder.fidelity(frames, codes).shape == (count,)


def test_a_pixel_seen_once_survives():
    frames = scenes(200, 0)
    codec = trained(frames, 4 * 49).codec
    codes = codec.current.encode(frames)
    assert (codec.current.fidelity(frames, codes) == 1).all()
    back = codec.current.decode(codes)
    assert (back.float() - frames.float()).abs().max() < 2 * 2 * MAX_TOLERANCE
    assert back[-1, 5, 5].argmax() == 1 and back[-2, 5, 5].argmax() == 0
    fresh = scenes(50, 1, rare=False)  # never seen, of the same patches
    assert reads(codec.current, fresh)


def test_too_few_bits_show_in_the_fidelity():
    """Four kinds of patch, two codes: some patch of nearly every scene comes back as another."""
    frames = scenes(200, 0)
    frames[:, 0, 0] = torch.tensor([0, 255, 0], dtype=torch.uint8)
    frames[:, 2, 2] = torch.tensor([255, 0, 0], dtype=torch.uint8)
    codec = trained(frames, 49, updates=200).codec
    fidelity = codec.current.fidelity(frames, codec.current.encode(frames))
    assert float((fidelity == 1).float().mean()) < 0.05


def test_fidelity_is_the_share_of_patches_within_the_tolerance():
    coder = ImageAutoencoder((SIDE, SIDE, 3), 294).freeze()
    coder.net.tolerance.fill_(120.0)
    frames = scenes(20, 0)
    codes = coder.encode(frames)
    cut = coder.net.grid.cut
    right = patch_distance(cut(frames), cut(coder.decode(codes))) <= 120.0
    expected = right.view(20, 49).float().mean(dim=1)
    assert torch.equal(coder.fidelity(frames, codes), expected) and 0 < expected.mean() < 1


def test_codes_of_other_frames_are_not_faithful():
    """Not what `encode` gives for these frames: one kind of patch goes with several codes."""
    frames = scenes(50, 0)
    coder = trained(frames, 4 * 49, updates=300).codec.current
    swapped = coder.encode(frames.flip(0))
    same = (frames == frames.flip(0)).view(50, 7, 2, 7, 2, 3).all(dim=5).all(dim=4).all(dim=2)
    assert torch.equal(coder.fidelity(frames, swapped), same.flatten(1).float().mean(dim=1))


def test_the_tolerance_is_less_than_half_the_smallest_distance():
    patches = torch.tensor([[0, 0, 0, 0], [60, 60, 60, 60], [100, 100, 100, 100]], dtype=torch.uint8)
    assert tolerance_for(patches[1:]) == MAX_TOLERANCE  # 18 would do, and it is at most 2
    patches[1] = 97
    assert tolerance_for(patches) == pytest.approx(NEARER * 3)
    patches[1] = 99
    assert tolerance_for(patches) == MIN_TOLERANCE
    assert tolerance_for(patches[:1]) == MAX_TOLERANCE
    net = ImageAutoencoder((SIDE, SIDE, 3), 294)
    frames = scenes(20, 0)
    frames[0, :2, :2] = 3
    net.training_set(frames)
    assert float(net.tolerance) == pytest.approx(NEARER * 3)
    net.training_set(frames[1:])
    assert float(net.tolerance) == pytest.approx(NEARER * 3)  # never rises again


def test_every_distinct_patch_weighs_the_same():
    net = ImageAutoencoder((SIDE, SIDE, 3), 294)
    two = PatchGrid.of((SIDE, SIDE, 3)).cut(scenes(20, 0, rare=False))
    assert torch.equal(net.loss(two), net.loss(unique_rows(two)[0]))
    assert len(net.training_set(scenes(20, 0))) == 4


def test_a_coder_does_not_follow_the_training():
    training = trained(scenes(50, 0), 294, updates=20)
    coder, frames = training.codec.autoencoder.freeze(), scenes(10, 1)
    codes = coder.encode(frames)
    before = coder.decode(codes)
    training.train(20, torch.Generator().manual_seed(0))
    assert torch.equal(coder.encode(frames), codes) and torch.equal(coder.decode(codes), before)


def test_codes_that_do_not_fit_are_a_clear_error():
    with pytest.raises(ValueError, match="--code-bits from 25 to 800"):
        build_codec("image", (5, 5, 3), (), 24)
    with pytest.raises(ValueError, match="--code-bits from 49 to 1568"):
        build_codec("image", (56, 56, 3), (), 33 * 49)


def test_the_log_shows_the_tolerance_of_the_version_that_writes():
    training = trained(scenes(50, 0), 294, updates=20)
    figures, codec = training.figures(), training.codec
    assert figures["codec/tolerance"] == float(codec.current.net.tolerance) and figures["codec/frames"] == 50
    assert figures["codec/version"] == codec.version
