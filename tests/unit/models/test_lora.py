import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file
from torch.func import functional_call

from cfld.models.lora import LowRankUpdate, fuse, layer_weights
from cfld.models.unet import predict_noise
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints


@pytest.fixture
def unet(make_pipe: Callable[..., CFLDPipeline]) -> UNet2DConditionModel:
    return make_pipe().unet


@pytest.fixture
def update(unet: UNet2DConditionModel) -> LowRankUpdate:
    torch.manual_seed(0)
    update = LowRankUpdate(unet, rank=3, scale=2.0)
    with torch.no_grad():
        for up in update.up.values():
            up.normal_(0, 0.1)
    return update


def call(unet: UNet2DConditionModel) -> tuple[torch.Tensor, int, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shape = (2, unet.config.in_channels, 16, 16)
    prompt = torch.randn(2, 4, unet.config.cross_attention_dim, generator=generator)
    return torch.randn(shape, generator=generator), 500, prompt


def test_a_new_update_changes_nothing(unet: UNet2DConditionModel) -> None:
    merged = LowRankUpdate(unet, rank=3).merged(unet)
    assert merged.keys() == {f"{name}.weight" for name in layer_weights(unet)}
    parameters = dict(unet.named_parameters())
    assert all(torch.equal(weight, parameters[name]) for name, weight in merged.items())


def test_the_rank_is_that_asked_for_or_the_layers_own(unet: UNet2DConditionModel, update: LowRankUpdate) -> None:
    parameters = dict(unet.named_parameters())
    for name, weight in update.merged(unet).items():
        change = (weight - parameters[name]).flatten(1)
        assert torch.linalg.matrix_rank(change, tol=1e-4) == min(3, *change.shape), name


def test_merged_weights_compute_what_the_fused_model_does(unet: UNet2DConditionModel, update: LowRankUpdate) -> None:
    arguments = call(unet)
    merged = functional_call(unet, update.merged(unet), arguments)[0]
    before = unet(*arguments).sample
    fuse(unet, update.lora_state(unet))
    assert (merged - before).abs().max() > 1e-2
    assert torch.allclose(merged, unet(*arguments).sample, atol=1e-5)


def test_diffusers_and_peft_read_the_same_update(
    unet: UNet2DConditionModel, update: LowRankUpdate, tmp_path: Path
) -> None:
    other, arguments = copy.deepcopy(unet), call(unet)
    save_file({f"unet.{k}": v.contiguous() for k, v in update.lora_state(unet).items()}, tmp_path / "lora.safetensors")
    other.load_lora_adapter(tmp_path, weight_name="lora.safetensors", prefix="unet")
    fuse(unet, update.lora_state(unet))
    assert torch.allclose(unet(*arguments).sample, other(*arguments).sample, atol=1e-5)


def test_the_gradient_reaches_both_factors(unet: UNet2DConditionModel, update: LowRankUpdate) -> None:
    functional_call(unet, update.merged(unet), call(unet))[0].square().sum().backward()
    assert [name for name, p in update.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_an_update_of_another_model_is_an_error(unet: UNet2DConditionModel, update: LowRankUpdate) -> None:
    state, before = update.lora_state(unet), copy.deepcopy(unet.state_dict())
    with pytest.raises(ValueError, match=r"the LoRA has mid\.other.*belongs to no layer"):
        fuse(unet, {**state, "mid.other.lora_A.weight": torch.zeros(1, 1)})
    with pytest.raises(ValueError, match=r"the LoRA of conv_in does not fit"):
        fuse(unet, {k: v[..., :1, :1] if "conv_in.lora_A" in k else v for k, v in state.items()})
    with pytest.raises(ValueError, match=r"the LoRA of conv_in does not fit"):
        fuse(unet, {k: v for k, v in state.items() if "conv_in.lora_B" not in k})
    assert all(torch.equal(weight, before[name]) for name, weight in unet.state_dict().items()), "nothing is changed"


def test_the_methods_processors_stay(
    make_pipe: Callable[..., CFLDPipeline], person: Image.Image, poses: list[Keypoints]
) -> None:
    pipe = make_pipe()
    conditioning = pipe.encode_source(person).with_pose(pipe.encode_pose(poses[0]).pose_features)
    torch.manual_seed(0)
    update, z = LowRankUpdate(pipe.unet, rank=2), torch.randn(1, 4, 8, 8)
    fuse(pipe.unet, update.lora_state(pipe.unet))
    assert torch.isfinite(predict_noise(pipe.unet, z, 3, conditioning)).all()
