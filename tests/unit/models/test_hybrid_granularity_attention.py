from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel

from cfld.build import Components, unet_arguments
from cfld.config.presets import tiny_model
from cfld.config.schema import UNetConfig
from cfld.models import hybrid_granularity_attention as hga
from cfld.models.unet import freeze_except, predict_noise
from cfld.types import Conditioning


@pytest.fixture
def stock() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(**unet_arguments(tiny_model().unet)).eval()


def inputs() -> tuple[torch.Tensor, int, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 4, 8, 8), 500, torch.randn(2, 4, 16)


@torch.no_grad()
def test_attach_and_detach_leaves_a_unet_as_it_was(stock: UNet2DConditionModel) -> None:
    processors, state = dict(stock.attn_processors), {k: v.clone() for k, v in stock.state_dict().items()}
    before = stock(*inputs()).sample
    previous = hga.install(stock)
    assert hga.is_installed(stock)
    assert previous == processors
    hga.remove(stock, previous)
    assert not hga.is_installed(stock)
    assert all(stock.attn_processors[name] is processor for name, processor in processors.items())
    assert stock.state_dict().keys() == state.keys()
    assert all(torch.equal(stock.state_dict()[name], tensor) for name, tensor in state.items())
    assert torch.equal(stock(*inputs()).sample, before)


@torch.no_grad()
def test_without_conditions_the_unet_computes_what_it_did(stock: UNet2DConditionModel) -> None:
    latents, t, prompt = inputs()
    before = stock(latents, t, prompt).sample
    hga.install(stock)
    assert torch.equal(predict_noise(stock, latents, t, Conditioning(prompt)), before)


def test_installing_twice_changes_nothing(stock: UNet2DConditionModel) -> None:
    hga.install(stock)
    ours = dict(stock.attn_processors)
    hga.install(stock)
    assert all(stock.attn_processors[name] is processor for name, processor in ours.items())


def test_an_installation_with_holes_is_mended(stock: UNet2DConditionModel) -> None:
    previous = hga.install(stock)
    name = "up_blocks.1.attentions.0.transformer_blocks.0.attn2"
    stock.get_submodule(name).set_processor(previous[f"{name}.processor"])
    assert not hga.is_installed(stock)
    assert not hga.takes_bias(stock, name)
    hga.install(stock)
    assert hga.is_installed(stock)


@torch.no_grad()
def test_no_warning_at_a_forward(stock: UNet2DConditionModel, caplog: pytest.LogCaptureFixture) -> None:
    hga.install(stock)
    latents, t, prompt = inputs()
    predict_noise(stock, latents, t, Conditioning(prompt))
    assert not caplog.records


@torch.no_grad()
def test_every_biased_attention_hears_its_bias_and_no_other(parts: Components) -> None:
    latents, t, prompt = inputs()
    plain = predict_noise(parts.unet, latents, t, Conditioning(prompt))
    full = parts.conditioner(torch.rand(2, 3, 32, 32), None)
    for name, bias in full.query_bias.items():
        biased = predict_noise(parts.unet, latents, t, Conditioning(prompt, {name: 5 * torch.randn_like(bias)}))
        assert not torch.allclose(biased, plain, atol=1e-6), name


def test_a_bias_that_nobody_hears_is_an_error(stock: UNet2DConditionModel) -> None:
    latents, t, prompt = inputs()
    name = hga.biased_attention_names(4, 2)[0]
    with pytest.raises(ValueError, match="ignores the query bias"):
        predict_noise(stock, latents, t, Conditioning(prompt, {name: torch.zeros(1)}))
    hga.install(stock)
    with pytest.raises(ValueError, match=r"up_blocks\.9"):
        predict_noise(stock, latents, t, Conditioning(prompt, {"up_blocks.9.attn2": torch.zeros(1)}))


@torch.no_grad()
def test_the_callers_pose_features_stay_whole(parts: Components) -> None:
    """The UNet takes items off the list it is handed."""
    latents, t, prompt = inputs()
    pose = Conditioning(prompt, pose_features=parts.conditioner.encode_pose(torch.rand(2, 21, 32, 32)))
    first, second = (predict_noise(parts.unet, latents, t, pose) for _ in range(2))
    assert len(pose.pose_features) == 3
    assert torch.equal(first, second)


def test_names_are_the_unets_own() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(**unet_arguments(UNetConfig()))
    names = hga.biased_attention_names()
    assert len(names) == 9
    assert {f"{name}.processor" for name in names} <= set(unet.attn_processors)
    widths = [unet.get_submodule(name).to_q.out_features for name in names]
    assert widths == [1280] * 3 + [640] * 3 + [320] * 3


@pytest.mark.parametrize(("trainable", "count"), [("kv", 12), ("qkv", 18), ("all", None)])
def test_what_trains(stock: UNet2DConditionModel, trainable: str, count: int | None) -> None:
    names = freeze_except(stock, trainable)
    assert len(names) == (count or len(list(stock.parameters())))
    assert {n for n, p in stock.named_parameters() if p.requires_grad} == set(names)
    if count:
        assert all(
            name.startswith(("up_blocks.1", "up_blocks.2", "up_blocks.3")) and ".attn2." in name for name in names
        )


def test_unknown_weights_are_told(stock: UNet2DConditionModel) -> None:
    with pytest.raises(ValueError, match="kv"):
        freeze_except(stock, "most")


def test_an_appearance_encoder_starts_at_zero() -> None:
    encoder = hga.FineGrainedAppearanceEncoder(6, 8, 10, num_heads=2, depth=1)
    bias = encoder(torch.randn(2, 6, 3, 4))
    assert bias.shape == (2, 12, 10)
    assert not bias.any()
    bias.sum().backward()
    assert encoder.zero_conv_out.bias.grad.any()
