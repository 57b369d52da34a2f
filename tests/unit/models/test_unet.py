from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel

from cfld.build import Components
from cfld.models import hybrid_granularity_attention as hga
from cfld.models.unet import freeze_except, predict_noise
from cfld.types import Conditioning


def inputs() -> tuple[torch.Tensor, int, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 4, 8, 8), 500, torch.randn(2, 4, 16)


def test_a_bias_that_no_attention_takes_raises(stock: UNet2DConditionModel) -> None:
    latents, t, prompt = inputs()
    name = hga.biased_attention_names(4, 2)[0]
    with pytest.raises(ValueError, match="ignores the query bias"):
        predict_noise(stock, latents, t, Conditioning(prompt, {name: torch.zeros(1)}))
    hga.install(stock)
    with pytest.raises(ValueError, match=r"up_blocks\.9"):
        predict_noise(stock, latents, t, Conditioning(prompt, {"up_blocks.9.attn2": torch.zeros(1)}))


@torch.no_grad()
def test_pose_features_of_the_caller_are_not_consumed(components: Components) -> None:
    """The UNet pops the items of the list that it gets."""
    latents, t, prompt = inputs()
    pose = Conditioning(prompt, pose_features=components.conditioner.encode_pose(torch.rand(2, 21, 32, 32)))
    first, second = (predict_noise(components.unet, latents, t, pose) for _ in range(2))
    assert len(pose.pose_features) == 3
    assert torch.equal(first, second)


@pytest.mark.parametrize(("trainable", "count"), [("kv", 12), ("qkv", 18), ("all", None)])
def test_trainable_parameters(stock: UNet2DConditionModel, trainable: str, count: int | None) -> None:
    names = freeze_except(stock, trainable)
    assert len(names) == (count or len(list(stock.parameters())))
    assert {n for n, p in stock.named_parameters() if p.requires_grad} == set(names)
    if count:
        assert all(
            name.startswith(("up_blocks.1", "up_blocks.2", "up_blocks.3")) and ".attn2." in name for name in names
        )


def test_an_unknown_choice_of_weights_raises(stock: UNet2DConditionModel) -> None:
    with pytest.raises(ValueError, match="kv"):
        freeze_except(stock, "most")
