"""Gradient truth: what recalculation sends equals back-propagation through the true observation."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from reinstate.agents.networks import ImageEncoder
from reinstate.memory import recalculation
from reinstate.memory.codec.codec import build_codec
from reinstate.memory.codec.frames import FrameBuffer
from reinstate.memory.codec.training import CodecTraining
from reinstate.memory.options import MemoryOptions
from reinstate.memory.recalculation import MODES, cosine_with_oracle, images_at_a_time, reinstate
from reinstate.memory.slots import empty
from reinstate.memory.tensors import hash_rows

WIDTH, SLOTS, ENVS = 4, 5, 3


class ExactCodec:
    """A codec that loses nothing: the code is the observation's bytes."""

    version = 0

    def readable(self, version):
        return version >= 0

    def decode(self, codes, version):
        return codes.view(torch.float32)


@pytest.fixture
def setting():
    """Embedding network, memory filled with its current embeddings, and a random gradient for every slot."""
    g = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    embed = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, WIDTH))
    observations = torch.randn(ENVS, SLOTS, 2, generator=g)
    memory = empty(ENVS, SLOTS, WIDTH, 8, observation=torch.zeros(2), fill=torch.nan)
    memory.written[:] = torch.rand(ENVS, SLOTS, generator=g) < 0.7
    memory.fidelity[:] = 1.0
    memory.code[:] = observations.view(torch.uint8)
    memory.code_hash[:] = torch.arange(ENVS * SLOTS).view(ENVS, SLOTS)
    memory.observation[:] = observations
    with torch.no_grad():
        memory.embedding[memory.written] = embed(observations[memory.written])
    gradient = torch.randn(ENVS, SLOTS, WIDTH, generator=g) * memory.written[..., None]
    return embed, memory, gradient


def flat_gradient(embed):
    return torch.cat([p.grad.flatten() for p in embed.parameters()])


def mode_of(name, embed, codec=None, k=100, eta=10.0):
    """A recalculation mode."""
    options = MemoryOptions(recalculated_codes=k, target_step=eta)
    return MODES[name](codec or ExactCodec(), embed, options)


def sent(name, embed, memory, gradient, codec=None, k=100, eta=10.0):
    """What a mode sends into the parameters, and its report."""
    embed.zero_grad()
    report = mode_of(name, embed, codec, k, eta).send(memory, gradient)
    return flat_gradient(embed), report


def through_true_observations(embed, memory, gradient):
    embed.zero_grad()
    w = memory.written
    embed(memory.observation[w]).backward(gradient[w])
    return flat_gradient(embed)


@pytest.mark.parametrize("mode", ["direct", "oracle", "target"])
def test_equals_backpropagation_where_embeddings_are_current(setting, mode):
    embed, memory, gradient = setting
    expected = through_true_observations(embed, memory, gradient)
    ours, report = sent(mode, embed, memory, gradient)
    torch.testing.assert_close(ours, expected)
    assert report.codes == int(memory.written.sum()) and report.share == pytest.approx(1.0)
    assert report.gradient == pytest.approx(float(gradient[memory.written].norm(dim=1).mean()))
    assert report.drift == pytest.approx(0.0, abs=1e-6)


def test_target_is_direct_plus_the_pull_towards_what_is_stored(setting):
    embed, memory, gradient = setting
    memory.embedding += 0.1  # stale
    direct, _ = sent("direct", embed, memory, gradient)
    target, report = sent("target", embed, memory, gradient, eta=10.0)
    embed.zero_grad()
    w = memory.written
    e = embed(memory.observation[w])
    e.backward((e.detach() - memory.embedding[w]) / 10.0)
    torch.testing.assert_close(target, direct + flat_gradient(embed))
    assert report.drift == pytest.approx(0.2, rel=1e-4)  # |(0.1, 0.1, 0.1, 0.1)|
    # and it is the gradient of |e - (m - eta g)|^2 / (2 eta)
    embed.zero_grad()
    goal = memory.embedding[w] - 10.0 * gradient[w]
    ((embed(memory.observation[w]) - goal).square().sum() / 20.0).backward()
    torch.testing.assert_close(target, flat_gradient(embed), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["none", "truncated", "refresh"])
def test_the_others_send_nothing_here(setting, mode):
    embed, memory, gradient = setting
    embed.zero_grad()
    assert mode_of(mode, embed).send(memory, gradient).codes == 0
    assert all(p.grad is None for p in embed.parameters())


def test_refresh_gives_autograd_the_same_gradient(setting):
    embed, memory, gradient = setting
    expected = through_true_observations(embed, memory, gradient)
    embed.zero_grad()
    slots = mode_of("refresh", embed).older(memory)
    torch.testing.assert_close(slots[memory.written], memory.embedding[memory.written])
    (slots[memory.written] * gradient[memory.written]).sum().backward()
    torch.testing.assert_close(flat_gradient(embed), expected)


def test_refresh_embeds_equal_codes_once(setting):
    embed, memory, gradient = setting
    memory.code_hash[:] = 1
    memory.code[:] = memory.code[0, 0]
    calls = []

    def counting(observations):
        calls.append(len(observations))
        return embed(observations)

    slots = mode_of("refresh", counting).older(memory)[memory.written]
    assert calls == [1] and torch.equal(slots, slots[:1].expand_as(slots))


def test_only_the_largest_sums_over_equal_codes_are_taken():
    """Slots 0 and 4 hold the same code: 3 + 4 beats -5; slot 1 was never written, slot 3 got no gradient."""
    memory = empty(1, 5, 1, 8, fill=torch.nan)
    memory.written[:] = torch.tensor([True, False, True, True, True])
    memory.fidelity[:] = 1.0
    memory.embedding[memory.written] = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    memory.code[0] = torch.tensor([[7.0, 7.0], [0, 0], [8.0, 8.0], [9.0, 9.0], [7.0, 7.0]]).view(torch.uint8)
    memory.code_hash[0] = torch.tensor([70, 0, 80, 90, 70])
    gradient = torch.tensor([[[3.0], [torch.nan], [-5.0], [0.0], [4.0]]])
    direct = mode_of("direct", None)
    both = direct.select_top_codes(memory, gradient, 3)
    assert both.gradient.tolist() == [[7.0], [-5.0]] and both.count.tolist() == [[2.0], [1.0]]
    assert both.stored.tolist() == [[5.0], [2.0]]
    assert reinstate(memory, ExactCodec(), both.slot).tolist() == [[7.0, 7.0], [8.0, 8.0]]
    assert both.share == 1.0
    best = direct.select_top_codes(memory, gradient, 1)
    assert best.gradient.tolist() == [[7.0]] and best.share == pytest.approx(49 / 74)
    memory.fidelity[0, 0] = 0.5  # that slot alone is lost
    left = direct.select_top_codes(memory, gradient, 3)
    assert left.gradient.tolist() == [[-5.0], [4.0]] and left.share == pytest.approx(41 / 50)
    memory.written[:] = False
    assert direct.select_top_codes(memory, gradient, 3) is None


class VersionedCodec(ExactCodec):
    """The same bytes mean another observation to another version."""

    def decode(self, codes, version):
        return codes.view(torch.float32) + version[:, None]


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 6), mode=st.sampled_from(["direct", "target", "oracle"]))
def test_what_is_sent_against_a_naive_loop(seed, k, mode):
    """Two environments, four slots, three observations: unwritten slots, unfaithful ones, forgotten versions, codes
    that decode to something else, stale embeddings, slots without a gradient."""
    g = torch.Generator().manual_seed(seed)

    def some(probability):
        return torch.rand(2, 4, generator=g) < probability

    torch.manual_seed(seed)
    embed = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    true = torch.randn(3, 2, generator=g)[torch.randint(0, 3, (2, 4), generator=g)]
    memory = empty(2, 4, 3, 8, observation=torch.zeros(2), fill=torch.nan)
    memory.written[:] = some(0.8)
    memory.fidelity[:] = torch.where(some(0.7), 1.0, 0.9)
    memory.version[:] = torch.randint(-1, 2, (2, 4), generator=g)  # -1 is forgotten
    memory.observation[:] = true
    memory.code[:] = (true + 1.0).view(torch.uint8)
    memory.code_hash[:] = hash_rows(memory.code.flatten(0, 1)).view(2, 4)
    memory.embedding[memory.written] = torch.randn(2, 4, 3, generator=g)[memory.written]
    gradient = torch.randn(2, 4, 3, generator=g) * some(0.8)[..., None]

    codec, groups, lost = VersionedCodec(), {}, 0.0
    for b, n in memory.written.nonzero().tolist():
        readable = memory.fidelity[b, n] == 1.0 and memory.version[b, n] >= 0
        if mode != "oracle" and not readable:
            lost += float(gradient[b, n].square().sum())
        elif gradient[b, n].any():
            seen = true[b, n] + (0.0 if mode == "oracle" else 1.0 + memory.version[b, n])
            groups.setdefault(tuple(seen.tolist()), []).append((b, n))
    sums = {seen: sum(gradient[i] for i in slots) for seen, slots in groups.items()}
    chosen = sorted(groups, key=lambda seen: -float(sums[seen].norm()))[:k]
    embed.zero_grad()
    for seen in chosen:
        for i in groups[seen]:
            e = embed(torch.tensor(seen))
            pull = (e.detach() - memory.embedding[i]) / 10.0 if mode == "target" else 0.0
            e.backward(gradient[i] + pull)
    expected = [None if p.grad is None else p.grad.clone() for p in embed.parameters()]

    embed.zero_grad()
    report = mode_of(mode, embed, codec, k, eta=10.0).send(memory, gradient)
    assert report.codes == len(chosen)
    for p, want in zip(embed.parameters(), expected, strict=True):
        assert (p.grad is None) == (want is None)
        if want is not None:
            torch.testing.assert_close(p.grad, want, rtol=1e-4, atol=1e-5)
    if chosen:
        whole = lost + sum(float(v.square().sum()) for v in sums.values())
        assert report.share == pytest.approx(sum(float(sums[c].square().sum()) for c in chosen) / whole, rel=1e-4)


def test_equal_codes_of_different_versions_are_different_observations(setting):
    embed, memory, gradient = setting
    memory.code[:], memory.code_hash[:] = memory.code[0, 0], 1
    memory.version[1:] = 1
    found = mode_of("direct", embed, VersionedCodec()).select_top_codes(memory, gradient, 10)
    assert sorted(found.count.flatten().tolist()) == sorted(
        [float(memory.written[:1].sum()), float(memory.written[1:].sum())]
    )
    first, second = sorted(reinstate(memory, VersionedCodec(), found.slot)[:, 0].tolist())
    assert second == pytest.approx(first + 1.0)
    again = mode_of("refresh", embed, VersionedCodec()).older(memory)
    assert not torch.allclose(again[0][memory.written[0]][0], again[1][memory.written[1]][0])


def test_slots_of_equal_codes_share_one_pass_and_send_the_same(setting):
    """Stale slots of one observation: the sum is sent once, for `target` with every slot's own pull."""
    embed, memory, gradient = setting
    memory.observation[:], memory.code[:], memory.code_hash[:] = memory.observation[0, 0], memory.code[0, 0], 1
    for mode in ("direct", "target"):
        ours, report = sent(mode, embed, memory, gradient)
        assert report.codes == 1
        embed.zero_grad()
        w = memory.written
        e = embed(memory.observation[w])
        pull = (e.detach() - memory.embedding[w]) / 10.0 if mode == "target" else 0.0
        e.backward(gradient[w] + pull)
        torch.testing.assert_close(ours, flat_gradient(embed))


def test_unfaithful_and_unwritten_slots_are_left_out(setting):
    embed, memory, gradient = setting
    memory.fidelity[0] = 0.9
    mask = mode_of("direct", embed).readable(memory)
    assert not mask[0].any() and torch.equal(mask[1:], memory.written[1:])
    _, report = sent("direct", embed, memory, gradient)
    assert report.codes == int(mask.sum()) and 0 < report.share < 1


def test_the_oracle_is_not_limited_by_the_codec(setting):
    embed, memory, gradient = setting
    expected = through_true_observations(embed, memory, gradient)
    memory.fidelity[:] = 0.0
    ours, report = sent("oracle", embed, memory, gradient)
    torch.testing.assert_close(ours, expected)
    assert report.codes == int(memory.written.sum())


def test_cosine_with_the_oracle(setting):
    embed, memory, gradient = setting
    assert cosine_with_oracle(mode_of("direct", embed), memory, gradient) == pytest.approx(1.0, abs=1e-5)
    memory.code[:, :, :4] = torch.zeros(1).view(torch.uint8)  # the first component decodes as 0
    assert cosine_with_oracle(mode_of("direct", embed), memory, gradient) < 0.999
    memory.fidelity[:] = 0.0  # nothing can be reinstated: nothing of the gradient arrives
    assert cosine_with_oracle(mode_of("direct", embed), memory, gradient) == 0.0


class ExactImageCodec(ExactCodec):
    """Loses nothing: the code is the image's bytes."""

    def decode(self, codes, version):
        return codes.view(-1, *IMAGE)


IMAGE = (10, 10, 3)


@pytest.fixture(scope="module")
def images():
    """An image encoder, slots that hold images of its own, and a random gradient for every slot.

    Images of black, grey and two rare colours; two slots hold the same one.
    """
    g = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    embed = nn.Sequential(ImageEncoder(IMAGE, WIDTH), nn.LayerNorm(WIDTH))
    colours = torch.tensor([[0, 0, 0], [100, 100, 100], [0, 255, 0], [255, 0, 0]], dtype=torch.uint8)
    observations = colours[torch.randint(0, 4, (ENVS, SLOTS, *IMAGE[:2]), generator=g)]
    observations[0, 1] = observations[0, 0]
    memory = empty(ENVS, SLOTS, WIDTH, observations[0, 0].numel(), observation=observations[0, 0], fill=torch.nan)
    memory.written[:], memory.fidelity[:] = True, 1.0
    memory.written[1, 2:] = False
    memory.code[:] = observations.flatten(2)
    memory.code_hash[:] = hash_rows(memory.code.flatten(0, 1)).view(ENVS, SLOTS)
    memory.observation[:] = observations
    with torch.no_grad():
        memory.embedding[memory.written] = embed(observations[memory.written])
    return embed, memory, torch.randn(ENVS, SLOTS, WIDTH, generator=g) * memory.written[..., None]


@pytest.mark.parametrize("mode", ["direct", "target", "oracle"])
def test_images_reinstated_exactly_give_the_gradient_of_the_true_ones(images, mode):
    embed, memory, gradient = images
    expected = through_true_observations(embed, memory, gradient)
    embed.zero_grad()
    report = mode_of(mode, embed, ExactImageCodec()).send(memory, gradient)
    torch.testing.assert_close(flat_gradient(embed), expected, rtol=1e-4, atol=1e-5)
    assert report.codes == int(memory.written.sum()) - 1 and report.share == pytest.approx(1.0)
    embed.zero_grad()
    slots = mode_of("refresh", embed, ExactImageCodec()).older(memory)
    (slots[memory.written] * gradient[memory.written]).sum().backward()
    torch.testing.assert_close(flat_gradient(embed), expected, rtol=1e-4, atol=1e-5)


def test_images_reinstated_by_a_trained_codec_give_nearly_the_true_gradient(images):
    """The patches of 8 kinds or more come back within a few grey levels; untrained, the gradient is another one."""
    embed, memory, gradient = images
    memory = memory.clone()
    torch.manual_seed(0)
    codec, frames = build_codec("image", IMAGE, (), 100 * 8), FrameBuffer(64, memory.observation[0, 0])
    g = torch.Generator().manual_seed(0)
    frames.add(memory.observation.flatten(0, 1))
    training = CodecTraining(codec, frames, 20, 1.0)

    def cosine():
        memory.code = codec.current.encode(memory.observation.flatten(0, 1)).view(ENVS, SLOTS, -1)
        memory.code_hash = hash_rows(memory.code.flatten(0, 1)).view(ENVS, SLOTS)
        memory.version[:] = codec.version
        return cosine_with_oracle(mode_of("direct", embed, codec), memory, gradient)

    assert cosine() < 0.9
    for _ in range(10):
        training.train(20, g)
    faithful = codec.current.fidelity(memory.observation[0], codec.current.encode(memory.observation[0]))
    assert (faithful == 1).all() and cosine() > 0.99


@pytest.mark.parametrize(("size", "images"), [(147, 256), (2_343, 256), (2_344, 255), (9_408, 63), (10**9, 1)])
def test_large_images_go_through_the_encoder_a_few_at_a_time(size, images):
    assert images_at_a_time(size) == images


def test_parts_add_up_to_the_whole(setting, monkeypatch):
    """Whatever goes through the encoder together, the parameters get the same gradient."""
    embed, memory, gradient = setting
    found = []
    for most in (256, 3):
        monkeypatch.setattr(recalculation, "MOST_IMAGES", most)
        embed.zero_grad()
        mode_of("direct", embed, k=1_000).send(memory, gradient)
        found.append(torch.cat([p.grad.flatten() for p in embed.parameters()]))
    torch.testing.assert_close(found[0], found[1])


def on_the_graph(tensor):
    """Whether its gradient goes on to something else."""
    return tensor.grad_fn is not None


@pytest.mark.parametrize(
    ("mode", "older", "recent"),
    [
        ("direct", "leaf", True),
        ("target", "leaf", True),
        ("oracle", "leaf", True),
        ("refresh", "graph", True),
        ("truncated", "cut", True),
        ("none", "cut", False),
    ],
)
def test_how_learning_reads_slots(setting, mode, older, recent):
    """Slots older than the rollout are leaves, or recalculated on the graph, or cut; those of the rollout are on the
    graph, unless no gradient may enter any slot. None of it changes what is stored."""
    embed, memory, _ = setting
    before = memory.clone()
    memory.embedding += 0.5  # stale
    way = mode_of(mode, embed)
    read, fresh = way.older(memory), embed(memory.observation[0])
    assert (read.is_leaf and read.requires_grad, on_the_graph(read)) == (older == "leaf", older == "graph")
    w = memory.written
    torch.testing.assert_close(read[w], before.embedding[w] if older == "graph" else before.embedding[w] + 0.5)
    assert torch.equal(way.recent(fresh), fresh) and on_the_graph(way.recent(fresh)) == recent
    with torch.no_grad():
        read.add_(1.0)
    if older == "leaf":
        torch.testing.assert_close(memory.embedding[w], before.embedding[w] + 0.5)


@pytest.mark.parametrize("mode", MODES)
def test_only_refresh_acts_on_recalculated_slots(setting, mode):
    """At the start of a rollout, off the graph; what cannot be read keeps what is stored."""
    embed, memory, _ = setting
    memory.embedding += 0.5
    memory.fidelity[0] = 0.9
    stale, w = memory.embedding.clone(), memory.written.clone()
    mode_of(mode, embed).begin_rollout(memory)
    fresh = w.clone()
    fresh[0] = False
    expected = embed(memory.observation).detach() if mode == "refresh" else stale
    torch.testing.assert_close(memory.embedding[fresh], expected[fresh])
    assert torch.equal(memory.embedding[0][w[0]], stale[0][w[0]]) and not memory.embedding.requires_grad


def test_refresh_without_a_readable_slot_keeps_what_is_stored(setting):
    embed, memory, _ = setting
    memory.fidelity[:] = 0.5
    assert mode_of("refresh", embed).older(memory) is memory.embedding


def test_only_the_oracle_reads_true_observations(setting):
    """And whatever the codec says; the others reinstate from codes."""
    embed, memory, _ = setting
    memory.code[:] = (memory.observation + 1.0).view(torch.uint8)
    memory.fidelity[:] = 0.0
    for name, mode in MODES.items():
        way, oracle = mode_of(name, embed), name == "oracle"
        assert mode.keeps_observations == oracle
        seen = way.observations(memory, torch.arange(3))
        torch.testing.assert_close(seen, memory.observation[0, :3] + (0.0 if oracle else 1.0))
        assert torch.equal(way.readable(memory), memory.written & oracle)


def test_a_cosine_of_nothing_is_not_a_number(setting):
    embed, memory, gradient = setting
    assert math.isnan(cosine_with_oracle(mode_of("direct", embed), memory, torch.zeros_like(gradient)))
