"""The image encoder is what it says it is: a network for each patch, then an MLP, on bytes."""

import pytest
import torch
from torch import nn

from reinstate.agents import networks
from reinstate.agents.build import KINDS
from reinstate.agents.look import START
from reinstate.agents.networks import BytesLinear, ImageEncoder, ObservationSpec, StateEncoder, build_encoder, scaled
from reinstate.memory.options import MemoryOptions
from reinstate.memory.tensors import unique_rows


def images(count, side, kinds=256, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, kinds, (count, side, side, 3), generator=g).to(torch.uint8)


@pytest.mark.parametrize(("side", "patch"), [(5, 1), (56, 8), (84, 12)])
def test_it_is_a_convolution_and_an_mlp(side, patch):
    """Values and gradients equal those of plain convolutions; the images repeat patches and whole frames."""
    torch.manual_seed(0)
    encoder = ImageEncoder((side, side, 3), 16)
    x = images(6, side)
    x[1], x[:, :patch, patch : 2 * patch] = x[0], x[:, :patch, :patch]
    wide = nn.Conv2d(3, networks.HIDDEN, patch, patch)
    narrow = nn.Conv2d(networks.HIDDEN, networks.PATCH_FEATURES, 1)
    with torch.no_grad():
        wide.weight.copy_(encoder.patch.weight.view(-1, patch, patch, 3).permute(0, 3, 1, 2))
        narrow.weight.copy_(encoder.features.weight[:, :, None, None])
        for layer, source in ((wide, encoder.patch), (narrow, encoder.features)):
            layer.bias.copy_(source.bias.normal_())
    hidden = torch.relu(narrow(torch.relu(wide(scaled(x).permute(0, 3, 1, 2)))))
    expected = encoder.mlp(hidden.permute(0, 2, 3, 1).flatten(1))
    ours = encoder(x)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
    towards = torch.randn(6, 16, generator=torch.Generator().manual_seed(0))
    parts = list(encoder.parameters())[:4]
    got = torch.autograd.grad(ours, parts, towards)
    want = torch.autograd.grad(expected, [wide.weight, wide.bias, narrow.weight, narrow.bias], towards)
    torch.testing.assert_close(got[0].view(-1, patch, patch, 3).permute(0, 3, 1, 2), want[0], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(got[1], want[1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(got[2], want[2].flatten(1), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(got[3], want[3], rtol=1e-3, atol=1e-3)


def test_parts_change_nothing_and_no_float_copy_of_the_images_is_kept(monkeypatch):
    monkeypatch.setattr(networks, "PATCHES_AT_A_TIME", 7)
    torch.manual_seed(0)
    layer, x = nn.Linear(12, 5), images(30, 2).view(30, 12)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.dtype) or t, lambda t: t):
        ours = BytesLinear.apply(x, layer.weight, layer.bias)
        assert kept == [torch.uint8, torch.float32]  # the bytes and the weight
    plain = layer(scaled(x))
    torch.testing.assert_close(ours, plain)
    towards = torch.randn(30, 5)
    got, want = (torch.autograd.grad(y, [layer.weight, layer.bias], towards) for y in (ours, plain))
    torch.testing.assert_close(got, want)


def test_a_small_start_shrinks_the_features_of_patches():
    encoder = ImageEncoder((56, 56, 3), 16)
    before = encoder.features.weight.norm()
    encoder.start_small(0.01)
    torch.testing.assert_close(encoder.features.weight.norm(), 0.01 * before)


@pytest.mark.parametrize("kind", ["grid", "image"])
def test_only_the_embedding_network_starts_small(kind):
    """So that gradients soon outgrow its random features."""
    agent = KINDS["memory"].make(ObservationSpec(kind, (7, 7, 3)), 4, MemoryOptions())
    size = {"grid": lambda e: e.tile.weight.std(), "image": lambda e: e.features.weight.std()}[kind]
    assert size(agent.embed[0]) < 3 * START * size(agent.encode_state.observation)


@pytest.mark.parametrize("shape", [(5, 5, 3), (20, 13, 3), (56, 56, 3), (84, 84, 3)])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_shapes(shape, count):
    spec = ObservationSpec("image", shape)
    observation = torch.zeros(count, *shape, dtype=torch.uint8)
    assert build_encoder(spec, 16)(observation).shape == (count, 16)
    state = StateEncoder(spec, 4, 32)
    seen = unique_rows(observation)
    assert state(seen, torch.full((count,), -1), torch.zeros(count)).shape == (count, 32)
