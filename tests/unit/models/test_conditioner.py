from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cfld.build import Components, build_components, build_conditioner
from cfld.config.presets import mannequin_model, tiny_model
from cfld.config.schema import ConditionerConfig, ModelConfig, UNetConfig
from cfld.models.conditioner import Conditioner, DropoutMasks, sample_dropout
from cfld.models.unet import predict_noise
from cfld.types import Conditioning

THREE_STAGES = ModelConfig(
    conditioner=replace(
        tiny_model().conditioner,
        source_size=48,
        swin_depths=(1, 2, 1),
        swin_heads=(1, 2, 4),
        window_size=3,
        num_queries=3,
        prompt_dim=24,
        decoder_depth=1,
        decoder_heads=3,
        appearance_dims=(8, 16),
        appearance_heads=(2, 4),
        appearance_depth=2,
        pose_downscale=2,
        unet_channels=(8, 16),
        attentions_per_block=3,
    ),
    unet=UNetConfig(
        sample_size=12,
        latent_channels=6,
        block_out_channels=(8, 16, 32),
        layers_per_block=2,
        num_heads=4,
        prompt_dim=24,
        norm_groups=4,
    ),
    vae=replace(tiny_model().vae, latent_channels=6),
)
"""Odd windows, three scales of H_S, two of H_A and H_P, latents with six channels and a side of 12."""


def conditions(conditioner: Conditioner, batch: int = 2) -> Conditioning:
    torch.manual_seed(3)
    side = conditioner.config.source_size
    return conditioner(torch.rand(batch, 3, side, side) * 2 - 1, torch.rand(batch, 21, *conditioner.pose_size))


@torch.no_grad()
@pytest.mark.parametrize("model", [tiny_model(), THREE_STAGES, mannequin_model()], ids=["tiny", "three", "mannequin"])
def test_any_dimensions(model: ModelConfig) -> None:
    torch.manual_seed(0)
    components = build_components(model)
    full = conditions(components.conditioner)
    config, side = model.conditioner, model.unet.sample_size
    assert full.prompt_embeds.shape == (2, config.num_queries, config.prompt_dim)
    shapes = [tuple(feature.shape) for feature in full.pose_features]
    assert shapes == [(2, c, side // 2**i, side // 2**i) for i, c in enumerate(config.unet_channels)]
    assert len(full.query_bias) == len(config.unet_channels) * config.attentions_per_block
    for name, bias in full.query_bias.items():
        scale = len(config.unet_channels) - int(name.split(".")[1])
        assert bias.shape == (2, (side // 2**scale) ** 2, config.unet_channels[scale]), name
    z_t = torch.randn(2, model.unet.latent_channels, side, side)
    assert predict_noise(components.unet, z_t, 10, full).shape == z_t.shape


@torch.no_grad()
def test_a_batch_is_its_samples(components: Components) -> None:
    conditioner = components.conditioner
    full = conditions(conditioner, batch=3)
    torch.manual_seed(3)
    images, maps = torch.rand(3, 3, 32, 32) * 2 - 1, torch.rand(3, 21, 32, 32)
    for i in range(3):
        alone = conditioner(images[i : i + 1], maps[i : i + 1])
        row = full.select([i])
        pairs = [(alone.prompt_embeds, row.prompt_embeds)]
        pairs += [(alone.query_bias[name], row.query_bias[name]) for name in alone.query_bias]
        pairs += list(zip(alone.pose_features, row.pose_features, strict=True))
        for a, b in pairs:
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_source_or_pose_alone(components: Components) -> None:
    conditioner = components.conditioner
    full = conditions(conditioner)
    torch.manual_seed(3)
    image, pose_map = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 21, 32, 32)
    source, pose = conditioner(image, None), conditioner(None, pose_map)
    assert source.pose_features == ()
    assert torch.equal(source.prompt_embeds, full.prompt_embeds)
    assert pose.query_bias == {}
    assert torch.equal(pose.pose_features[2], full.pose_features[2])
    assert torch.equal(pose.prompt_embeds, conditioner.null(2).prompt_embeds)
    with pytest.raises(ValueError, match="null"):
        conditioner(None, None)


def test_the_null_prompt_gets_a_gradient() -> None:
    conditioner = Conditioner(**tiny_conditioner())
    conditioner.null(3).prompt_embeds.sum().backward()
    assert (conditioner.null_prompt.grad == 3).all()


def tiny_conditioner() -> dict[str, object]:
    from dataclasses import asdict

    return asdict(tiny_model().conditioner)


@torch.no_grad()
def test_saving_and_loading(components: Components, tmp_path: Path) -> None:
    components.conditioner.save_pretrained(tmp_path)
    again = Conditioner.from_pretrained(tmp_path)
    full, loaded = conditions(components.conditioner), conditions(again)
    assert torch.equal(full.prompt_embeds, loaded.prompt_embeds)
    assert all(torch.equal(bias, loaded.query_bias[name]) for name, bias in full.query_bias.items())
    assert not again.training


def test_checkpointing_changes_no_gradient() -> None:
    torch.manual_seed(0)
    conditioner = build_conditioner(replace(tiny_model().conditioner, drop_path_rate=0.0)).train()
    torch.nn.init.normal_(conditioner.appearance_encoders[0].zero_conv_out.weight)

    def gradients() -> list[torch.Tensor | None]:
        conditioner.zero_grad()
        full = conditions(conditioner)
        (full.prompt_embeds.sum() + sum(bias.sum() for bias in full.query_bias.values())).backward()
        return [parameter.grad for parameter in conditioner.source_encoder.parameters()]

    plain = gradients()
    conditioner.enable_gradient_checkpointing()
    assert conditioner.is_gradient_checkpointing
    for a, b in zip(plain, gradients(), strict=True):
        assert a is b is None or torch.equal(a, b)
    conditioner.disable_gradient_checkpointing()
    assert not conditioner.is_gradient_checkpointing


@torch.no_grad()
def test_dropping_replaces_whole_samples(components: Components) -> None:
    full, null = conditions(components.conditioner, 3), components.conditioner.null(1)
    yes, no = torch.tensor([False, True, False]), torch.zeros(3, dtype=torch.bool)
    dropped = components.conditioner.drop(full, DropoutMasks(yes, yes, no))
    assert torch.equal(dropped.prompt_embeds[1:2], null.prompt_embeds)
    assert torch.equal(dropped.prompt_embeds[[0, 2]], full.prompt_embeds[[0, 2]])
    for name, bias in dropped.query_bias.items():
        assert not bias[1].any()
        assert torch.equal(bias[[0, 2]], full.query_bias[name][[0, 2]])
    assert all(torch.equal(a, b) for a, b in zip(dropped.pose_features, full.pose_features, strict=True))
    assert not components.conditioner.drop(full, DropoutMasks(no, no, yes)).pose_features[0][1].any()


def test_dropout_modes() -> None:
    generator = torch.Generator().manual_seed(0)
    joint, prompt, independent = (sample_dropout(4000, 0.2, m, generator) for m in ("joint", "prompt", "independent"))
    assert torch.equal(joint.prompt, joint.bias)
    assert torch.equal(joint.prompt, joint.pose)
    assert not prompt.bias.any()
    assert not prompt.pose.any()
    assert torch.equal(independent.prompt, independent.bias)
    shares = [joint.prompt, prompt.prompt, independent.prompt, independent.pose]
    assert [mask.float().mean().item() for mask in shares] == pytest.approx([0.2] * 4, abs=0.03)
    both = (independent.prompt & independent.pose).float().mean().item()
    assert both == pytest.approx(0.04, abs=0.01)
    with pytest.raises(ValueError, match="independent"):
        sample_dropout(1, 0.2, "never")  # type: ignore[arg-type]


def test_an_indivisible_source_size_raises() -> None:
    with pytest.raises(ValueError, match="divisible by 32"):
        build_conditioner(ConditionerConfig(source_size=250))
