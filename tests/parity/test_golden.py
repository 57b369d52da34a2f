"""Parity with the authors' code: the same weights and the same inputs give the same numbers, at small dimensions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from torch import Tensor
from weights_by_rule import GOLDEN, inputs, write_checkpoint

from cfld.convert import convert_checkpoint, load_official_checkpoint
from cfld.diffusion.guidance import Denoiser, guided_denoiser
from cfld.diffusion.sampling import sample
from cfld.models.conditioner import Conditioner
from cfld.models.unet import predict_noise
from cfld.pipeline import CFLDPipeline
from cfld.types import Conditioning

SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
"""Stable Diffusion 1.5's, which also ends DDIM with `set_alpha_to_one` false."""
SCHEDULERS = {
    "ddim5_latents": DDIMScheduler(**SCHEDULE, clip_sample=False, set_alpha_to_one=False),
    "ddpm5_seed1234_latents": DDPMScheduler(**SCHEDULE, clip_sample=False),
}
"""Golden latents after five steps -> the scheduler that made them."""
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("by_rule")
    write_checkpoint(folder)
    return folder


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    """The outputs of the authors' code."""
    with np.load(GOLDEN / "by_rule.npz") as numbers:
        return {name: torch.from_numpy(numbers[name]) for name in numbers}


@pytest.fixture(scope="module")
def loaded(checkpoint: Path) -> tuple[Conditioner, UNet2DConditionModel]:
    return load_official_checkpoint(checkpoint)


@pytest.fixture(scope="module")
def branches(loaded: tuple[Conditioner, UNet2DConditionModel]) -> dict[str, Conditioning]:
    """The three branches of eq. 7."""
    conditioner, given = loaded[0], inputs()
    with torch.no_grad():
        full, null = conditioner(given["source_image"], given["pose"]), conditioner.null(2)
    return {"cond": full, "uncond": null, "pose": null.with_pose(full.pose_features)}


def guided(unet: UNet2DConditionModel, branches: dict[str, Conditioning], w_pose: float, w_app: float) -> Denoiser:
    """eq. 7; takes one timestep for all samples, or one a sample."""

    def eps(z_t: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        return predict_noise(unet, z_t, t.repeat(len(z_t) // t.numel()), conditioning)

    return guided_denoiser(eps, branches["cond"], branches["uncond"], w_pose, w_app)


def assert_agrees(found: Tensor, golden: Tensor) -> None:
    assert found.shape == golden.shape
    assert (found - golden).abs().max() < TOLERANCE


@pytest.mark.parametrize(("name", "branch"), [("prompt", "cond"), ("prompt_uncond", "uncond")])
def test_prompt(name: str, branch: str, branches: dict[str, Conditioning], golden: dict[str, Tensor]) -> None:
    assert_agrees(branches[branch].prompt_embeds, golden[name])


@pytest.mark.parametrize("scale", range(3))
def test_pose_features(scale: int, branches: dict[str, Conditioning], golden: dict[str, Tensor]) -> None:
    assert_agrees(branches["cond"].pose_features[scale], golden[f"pose_residual_{scale}"])


@pytest.mark.parametrize(("block", "attention"), [(block, i) for block in (1, 2, 3) for i in range(3)])
def test_query_bias(block: int, attention: int, branches: dict[str, Conditioning], golden: dict[str, Tensor]) -> None:
    name = f"up_blocks.{block}.attentions.{attention}.transformer_blocks.0.attn2"
    assert_agrees(branches["cond"].query_bias[name], golden[f"bias_block_{3 * block + attention}_cross_attn_q"])


@torch.no_grad()
@pytest.mark.parametrize("branch", ["cond", "uncond", "pose"])
def test_noise(
    branch: str,
    loaded: tuple[Conditioner, UNet2DConditionModel],
    branches: dict[str, Conditioning],
    golden: dict[str, Tensor],
) -> None:
    given = inputs()
    noise = predict_noise(loaded[1], given["latents"], given["timesteps"], branches[branch])
    assert_agrees(noise, golden[f"noise_{branch}"])


@torch.no_grad()
@pytest.mark.parametrize(("name", "w_app"), [("noise_guided_w2", 2.0), ("noise_guided_w2_5", 2.5)])
def test_guided_noise(
    name: str,
    w_app: float,
    loaded: tuple[Conditioner, UNet2DConditionModel],
    branches: dict[str, Conditioning],
    golden: dict[str, Tensor],
) -> None:
    given = inputs()
    denoise = guided(loaded[1], branches, 2.0, w_app)
    assert_agrees(denoise(given["latents"], given["timesteps"]), golden[name])


@torch.no_grad()
@pytest.mark.parametrize("name", SCHEDULERS)
def test_five_steps(
    name: str,
    loaded: tuple[Conditioner, UNet2DConditionModel],
    branches: dict[str, Conditioning],
    golden: dict[str, Tensor],
) -> None:
    scheduler, generator = SCHEDULERS[name], torch.Generator().manual_seed(1234)
    scheduler.set_timesteps(5)
    denoise = guided(loaded[1], branches, 2.0, 2.0)
    z_0 = sample(denoise, scheduler, scheduler.timesteps, inputs()["latents"], generator)
    assert_agrees(z_0, golden[name])


def test_golden_numbers_vary(golden: dict[str, Tensor]) -> None:
    """Constant numbers would show little."""
    assert all(value.std() > 1e-3 for value in golden.values())


def test_timesteps_of_fifty_ddpm_steps() -> None:
    scheduler = DDPMScheduler(**SCHEDULE, clip_sample=False)
    scheduler.set_timesteps(50)
    assert scheduler.timesteps.tolist() == list(range(981, 0, -20))


@pytest.fixture(scope="module")
def converted(checkpoint: Path, sd15_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> CFLDPipeline:
    """The pipeline of the folder that `cfld convert` writes."""
    out = tmp_path_factory.mktemp("converted") / "model"
    convert_checkpoint(checkpoint, sd15_folder, out, (256, 176))
    pipe = CFLDPipeline.from_pretrained(out)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize("name", SCHEDULERS)
def test_converted_pipeline(name: str, converted: CFLDPipeline, golden: dict[str, Tensor]) -> None:
    given = inputs()
    converted.scheduler = type(SCHEDULERS[name]).from_config(converted.scheduler.config)
    z_0 = converted(
        given["source_image"],
        given["pose"],
        num_inference_steps=5,
        latents=given["latents"],
        generator=torch.Generator().manual_seed(1234),
        output_type="latent",
    ).images
    assert_agrees(z_0, golden[name])
