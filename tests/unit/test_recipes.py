"""`CFLDPipeline.use_recipe`: what it changes, and that it goes back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from diffusers import DDIMScheduler
from PIL import Image
from torch import Tensor

from cfld.config.recipes import RECIPES, Recipe
from cfld.models import feature_cache
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints


@pytest.fixture
def own(make_pipe: Callable[..., CFLDPipeline]) -> CFLDPipeline:
    return make_pipe()


def latents(pipe: CFLDPipeline, person: Image.Image, pose: Keypoints, **options: int) -> Tensor:
    found: Tensor = pipe(
        person, pose, generator=torch.Generator().manual_seed(0), output_type="latent", **options
    ).images
    return found


@pytest.mark.parametrize("name", [*RECIPES])
def test_a_recipe_and_back_to_exact(own: CFLDPipeline, person: Image.Image, poses: list[Keypoints], name: str) -> None:
    scheduler, steps = own.scheduler, {"num_inference_steps": 3}
    before = latents(own, person, poses[0], **steps)
    assert own.use_recipe(name).recipe == RECIPES[name]
    assert torch.isfinite(latents(own, person, poses[0])).all()
    own.use_recipe("exact")
    assert own.scheduler is scheduler
    assert not feature_cache.is_attached(own.unet)
    assert torch.equal(latents(own, person, poses[0], **steps), before)


def test_the_steps_are_those_of_the_call_else_of_the_recipe(
    own: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
) -> None:
    for options, count in (({}, 4), ({"num_inference_steps": 2}, 2)):
        own.use_recipe("fast", steps=4)
        latents(own, person, poses[0], **options)
        assert own.num_timesteps == count


def test_guidance_and_cache_decide_what_the_unet_computes(
    own: CFLDPipeline, person: Image.Image, poses: list[Keypoints]
) -> None:
    batches: list[int] = []
    own.unet.register_forward_pre_hook(lambda _, args: batches.append(len(args[0])))
    own.use_recipe(Recipe(steps=4, guidance_interval=(0.5, 1.0)))
    latents(own, person, poses[0])
    assert batches == [2, 2, 1, 1]
    mid_blocks: list[int] = []
    own.unet.mid_block.resnets[0].register_forward_hook(lambda *_: mid_blocks.append(1))
    own.use_recipe(Recipe(steps=6, feature_cache=3))
    latents(own, person, poses[0])
    assert len(mid_blocks) == 2


def test_a_scheduler_set_after_the_recipe_stays(own: CFLDPipeline) -> None:
    own.use_recipe("fast")
    chosen = own.scheduler = DDIMScheduler.from_config(own.scheduler.config)
    assert own.use_recipe("exact").scheduler is chosen


def test_the_dtype_of_a_recipe(own: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
    own.use_recipe("fast", dtype="bfloat16", steps=2)
    assert {own.conditioner.dtype, own.unet.dtype, own.vae.dtype} == {torch.bfloat16}
    assert latents(own, person, poses[0]).dtype == torch.bfloat16
    assert own.use_recipe("exact").unet.dtype == torch.float32
