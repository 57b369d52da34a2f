from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from cfld.build import Components
from cfld.models import feature_cache
from cfld.models.feature_cache import Features, reused
from cfld.models.unet import predict_noise
from cfld.types import Conditioning


@pytest.fixture
def unet(components: Components) -> UNet2DConditionModel:
    return copy.deepcopy(components.unet)


@pytest.fixture
def conditioning(components: Components) -> Conditioning:
    torch.manual_seed(1)
    with torch.no_grad():
        return components.conditioner(torch.randn(2, 3, 32, 32), torch.rand(2, 21, 32, 32)).cached()


@torch.no_grad()
def call(unet: UNet2DConditionModel, conditioning: Conditioning, features: Features | None, seed: int = 0) -> Tensor:
    z_t = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(seed))
    if features is None:
        return predict_noise(unet, z_t, 500, conditioning)
    with reused(features):
        return predict_noise(unet, z_t, 500, conditioning)


def test_detaching_leaves_no_trace(unet: UNet2DConditionModel) -> None:
    def state() -> list[tuple[str, set[str]]]:
        return [(name, set(vars(module))) for name, module in unet.named_modules()]

    before = state()
    feature_cache.attach(unet)
    assert state() != before
    feature_cache.attach(unet)  # nothing twice
    feature_cache.detach(unet)
    assert state() == before
    assert not feature_cache.is_attached(unet)


def test_a_forward_that_was_there_before_is_used_and_stays(unet: UNet2DConditionModel) -> None:
    own, calls = unet.mid_block.forward, []
    unet.mid_block.forward = lambda *args, **options: calls.append(1) or own(*args, **options)
    before = unet.mid_block.forward
    feature_cache.attach(unet)
    with torch.no_grad():
        unet(torch.randn(1, 4, 8, 8), 1, torch.randn(1, 4, 16))
    assert calls == [1]
    feature_cache.detach(unet)
    assert unet.mid_block.forward is before


def test_whole_calls_are_those_of_the_unet_itself(unet: UNet2DConditionModel, conditioning: Conditioning) -> None:
    expected = [call(unet, conditioning, None, seed) for seed in range(3)]
    feature_cache.attach(unet)
    features = Features(every=1)
    for seed in range(3):
        assert torch.equal(call(unet, conditioning, None, seed), expected[seed])
        assert torch.equal(call(unet, conditioning, features, seed), expected[seed])


def test_between_them_only_the_last_layer_runs(unet: UNet2DConditionModel, conditioning: Conditioning) -> None:
    """On the latents of the call itself; on those of the whole call, the result is the same."""
    feature_cache.attach(unet)
    ran: list[str] = []
    for name, module in unet.named_modules():
        if name.endswith((".conv1", ".to_q")):  # one of each layer and attention
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    features = Features(every=3)
    whole, same, other = (call(unet, conditioning, features, seed) for seed in (0, 0, 5))
    torch.testing.assert_close(same, whole)
    assert not torch.allclose(other, whole)
    last = len(unet.up_blocks[-1].resnets) - 1
    layer = [f"up_blocks.3.resnets.{last}.conv1"]
    layer += [
        f"up_blocks.3.attentions.{last}.transformer_blocks.0.{attention}.to_q" for attention in ("attn1", "attn2")
    ]
    assert ran[-6:] == layer * 2
    all_layers = ran[:-6]
    assert len(set(all_layers)) == len(all_layers) > 20
    call(unet, conditioning, features)  # the fourth is whole again
    assert ran[-len(all_layers) :] == all_layers


def test_threads_have_their_own_features(unet: UNet2DConditionModel, conditioning: Conditioning) -> None:
    feature_cache.attach(unet)

    def run(seed: int) -> Tensor:
        features = Features(every=2)
        return torch.stack([call(unet, conditioning, features, seed + step) for step in range(4)])

    alone = [run(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(run, range(4)), alone, strict=True):
            torch.testing.assert_close(found, expected)


def test_a_copy_of_an_attached_unet_is_its_own(unet: UNet2DConditionModel, conditioning: Conditioning) -> None:
    feature_cache.attach(unet)
    other = copy.deepcopy(unet)
    expected = call(unet, conditioning, None)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert torch.equal(call(unet, conditioning, None), expected)
    assert not call(other, Conditioning(conditioning.prompt_embeds), None).any()
