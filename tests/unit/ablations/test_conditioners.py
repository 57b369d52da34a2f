"""The conditioners of table 3: prompts, biases, gradients, and saving and loading."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import CLIPVisionModel

from cfld.ablations.conditioners import CLIPConditioner, FrozenCLIPConditioner, clip_vision_config, load_clip
from cfld.build import CONDITIONERS, build_components, build_conditioner
from cfld.config.presets import tiny, tiny_model
from cfld.config.schema import ConditionerConfig
from cfld.models.conditioner import Conditioner, sample_dropout
from cfld.models.unet import freeze_except, predict_noise
from cfld.pipeline import CFLDPipeline
from cfld.reproduction.rows import TABLE_3, Ablation
from cfld.types import Conditioning

SMALL = tiny_model().conditioner
ROWS = pytest.mark.parametrize("row", TABLE_3.values(), ids=TABLE_3)
IMAGE, POSE = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 21, 32, 32)


def conditioner(row: Ablation) -> Conditioner:
    torch.manual_seed(0)
    return build_conditioner(SMALL, row.conditioner)


@ROWS
def test_queries_are_biased_as_in_the_table(row: Ablation) -> None:
    built = conditioner(row)
    assert set(built(IMAGE, POSE).query_bias) == (set(built.bias_names) if row.columns["biasing"] == "Q" else set())


@pytest.mark.parametrize(
    ("name", "tokens"), [("B1", 8**2 + 4**2 + 2**2 + 1), ("B2", 1), ("B3", 4), ("B4", 4), ("B5", 1), ("Ours", 4)]
)
def test_prompt_and_null_prompt_have_the_same_length(name: str, tokens: int) -> None:
    built = conditioner(TABLE_3[name])
    full, null = built(IMAGE, POSE), built.null(2)
    assert full.prompt_embeds.shape == null.prompt_embeds.shape == (2, tokens, SMALL.prompt_dim)
    Conditioning.cat([full, null])


@ROWS
def test_the_prompt_depends_on_the_source(row: Ablation) -> None:
    built = conditioner(row).eval()
    prompt = built.encode_source(IMAGE).prompt_embeds
    assert not torch.allclose(prompt[0], prompt[1])
    torch.testing.assert_close(built.encode_source(IMAGE[1:]).prompt_embeds, prompt[1:], rtol=1e-4, atol=1e-5)


@ROWS
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_every_trained_weight_gets_a_gradient_with_and_without_dropout(row: Ablation, rate: float) -> None:
    parts = build_components(row.apply(tiny()).model)
    freeze_except(parts.unet, row.unet_weights)
    conditioning = parts.conditioner.drop(parts.conditioner(IMAGE, POSE), sample_dropout(2, rate, "joint"))
    predict_noise(parts.unet, torch.randn(2, 4, 8, 8), 7, conditioning).sum().backward()
    trained = [*parts.conditioner.named_parameters(), *parts.unet.named_parameters()]
    assert [name for name, p in trained if p.requires_grad and p.grad is None] == []


@ROWS
def test_a_saved_baseline_loads_unchanged(row: Ablation, tmp_path: Path) -> None:
    model = row.apply(tiny()).model
    pipe = CFLDPipeline(**vars(build_components(model)), output_size=model.output_size)
    pipe.save_pretrained(tmp_path)
    loaded = CFLDPipeline.from_pretrained(tmp_path)
    assert type(loaded.conditioner) is CONDITIONERS[row.conditioner]
    weights = loaded.conditioner.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in pipe.conditioner.state_dict().items())


def test_at_the_paper_s_dimensions_the_encoder_is_vit_l_14() -> None:
    with torch.device("meta"):
        built = build_conditioner(ConditionerConfig(), "FrozenCLIPConditioner")
    assert isinstance(built, FrozenCLIPConditioner)
    clip = clip_vision_config(built)
    assert (clip.hidden_size, clip.intermediate_size, clip.num_hidden_layers) == (1024, 4096, 24)
    assert (clip.num_attention_heads, clip.image_size, clip.patch_size) == (16, 224, 14)
    assert sum(p.numel() for p in built.source_encoder.parameters()) == 303_179_776
    assert not any(p.requires_grad for p in built.source_encoder.parameters())


def test_images_are_normalised_for_clip() -> None:
    """Without resizing: (x - mean) / std, with the published constants."""
    built = build_conditioner(SMALL, "CLIPConditioner").eval()
    side = built.source_encoder.side
    image = torch.rand(1, 3, side, side)
    mean, std = (
        torch.tensor(v)[:, None, None]
        for v in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    )
    expected = built.source_encoder.clip(pixel_values=(image - mean) / std).pooler_output
    torch.testing.assert_close(built.source_encoder(image * 2 - 1)[0].flatten(1), expected, rtol=1e-4, atol=1e-5)


def test_pretrained_weights_come_from_a_folder(tmp_path: Path) -> None:
    built = build_conditioner(SMALL, "CLIPConditioner")
    assert isinstance(built, CLIPConditioner)
    torch.manual_seed(3)
    published = CLIPVisionModel(clip_vision_config(built))
    published.save_pretrained(tmp_path / "clip")
    load_clip(built, str(tmp_path / "clip"))
    own = built.source_encoder.clip.state_dict()
    assert all(torch.equal(own[name], weight) for name, weight in published.state_dict().items())


@pytest.mark.parametrize("damage", ["absent", "other dimensions"])
def test_a_missing_or_unsuitable_encoder_is_an_error(tmp_path: Path, damage: str) -> None:
    built = build_conditioner(SMALL, "CLIPConditioner")
    assert isinstance(built, CLIPConditioner)
    if damage != "absent":
        config = clip_vision_config(built)
        config.hidden_size, config.num_attention_heads = 32, 2
        CLIPVisionModel(config).save_pretrained(tmp_path / "clip")
    with pytest.raises(ValueError, match="not a CLIP image encoder"):
        load_clip(built, str(tmp_path / "clip"))


def test_an_unknown_conditioner_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"'Other'.*Conditioner, MultiScaleConditioner"):
        build_conditioner(SMALL, "Other")
