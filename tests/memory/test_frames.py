"""The codec's buffer of distinct frames."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from reinstate.memory.codec.frames import FrameBuffer


def test_it_holds_each_frame_once_and_forgets_the_oldest():
    frames = torch.arange(6.0)[:, None]
    buffer = FrameBuffer(4, frames[0])
    assert buffer.add(frames[[0, 1, 0, 1]]) == 2
    assert buffer.add(frames[:3]) == 1
    assert buffer.frames[:3, 0].tolist() == [0, 1, 2] and buffer.size == 3
    assert buffer.add(frames[3:]) == 3
    assert sorted(buffer.frames[:, 0].tolist()) == [2, 3, 4, 5] and buffer.size == 4
    assert buffer.add(frames[:1]) == 1  # forgotten, so it is new again


@given(
    capacity=st.integers(1, 5),
    batches=st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=7), min_size=1, max_size=8),
    saved_after=st.integers(0, 8),
)
def test_it_agrees_with_a_naive_list(capacity, batches, saved_after):
    """Saved and loaded into another one on the way, which then forgets its own, it goes on as the list does."""
    example = torch.zeros(2, dtype=torch.uint8)
    buffer, kept = FrameBuffer(capacity, example), []
    for number, batch in enumerate(batches):
        if number == saved_after:
            again = FrameBuffer(capacity, example)
            again.add(torch.arange(3, 9, dtype=torch.uint8)[:, None].repeat(1, 2))
            again.load_state_dict(buffer.state_dict())
            buffer = again
        fresh = [x for x in dict.fromkeys(batch) if x not in kept][:capacity]
        assert buffer.add(torch.tensor(batch, dtype=torch.uint8)[:, None].repeat(1, 2)) == len(fresh)
        kept = (kept + fresh)[-capacity:]
        assert buffer.size == len(kept)
        assert sorted(buffer.frames[: buffer.size, 0].tolist()) == sorted(kept)
    drawn = buffer.sample(60, torch.Generator().manual_seed(0))
    assert drawn.shape == (60, 2) and set(drawn[:, 0].tolist()) == set(kept)  # 5 frames: none is missed by chance


def test_the_oldest_frame_goes_first_after_loading():
    frames = torch.arange(9.0)[:, None]
    buffer, again = FrameBuffer(3, frames[0]), FrameBuffer(3, frames[0])
    buffer.add(frames[:5])  # 5 new ones at once: the first 3
    buffer.add(frames[5:6])
    again.load_state_dict(buffer.state_dict())
    for b in (buffer, again):
        b.add(frames[6:7])
        assert sorted(b.frames[:, 0].tolist()) == [2, 5, 6]
