"""The released checkpoint's numbers, at small dimensions: what the authors' code gives, this package gives."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from torch import Tensor
from weights_by_rule import FIVE_STEPS, GOLDEN, inputs, write_checkpoint

from cfld.convert import convert_checkpoint, load_official_checkpoint
from cfld.diffusion.guidance import branch_weights, guided_denoiser
from cfld.diffusion.sampling import sample
from cfld.models.conditioner import Conditioner
from cfld.models.unet import predict_noise
from cfld.pipeline import CFLDPipeline

RELEASE = Path(os.environ.get("CFLD_GOLDEN", Path(__file__).parents[3] / "shared" / "golden")) / "tiny"
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
"""Stable Diffusion 1.5's, of which DDIM's end (`set_alpha_to_one` false) is a part too."""
TOLERANCE = 1e-4

Parts = tuple[Conditioner, UNet2DConditionModel]


def outputs(conditioner: Conditioner, unet: UNet2DConditionModel, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every number that one forward gives, under the names of the golden file."""
    z_t, t = given["latents"], given["timesteps"]
    full = conditioner(given["source_image"], given["pose"])
    null = conditioner.null(len(z_t))
    found = {"prompt": full.prompt_embeds, "prompt_uncond": null.prompt_embeds}
    found |= {f"pose_residual_{i}": feature for i, feature in enumerate(full.pose_features)}
    for name, bias in full.query_bias.items():
        _, block, _, attention, *_ = name.split(".")
        found[f"bias_block_{3 * int(block) + int(attention)}_cross_attn_q"] = bias
    branches = {"cond": full, "uncond": null, "pose": null.with_pose(full.pose_features)}
    found |= {f"noise_{name}": predict_noise(unet, z_t, t, branch) for name, branch in branches.items()}
    guided = guided_denoiser(
        lambda z, _, c: predict_noise(unet, z, t.repeat(3), c), full, null, branch_weights(2.0, 2.5)
    )
    found["noise_guided_w2_5"] = guided(z_t, t[0])
    return found


def denoise_five_steps(
    conditioner: Conditioner, unet: UNet2DConditionModel, given: dict[str, Tensor], name: str
) -> Tensor:
    """Five guided steps at weights 2 and 2, by the loop that the pipeline uses."""
    schedule = {**SCHEDULE, "clip_sample": False, "timestep_spacing": "leading"}
    ddim = name.startswith("ddim")
    scheduler = DDIMScheduler(**schedule, set_alpha_to_one=False) if ddim else DDPMScheduler(**schedule)
    scheduler.set_timesteps(5)
    full, null = conditioner(given["source_image"], given["pose"]), conditioner.null(2)
    denoise = guided_denoiser(lambda z, t, c: predict_noise(unet, z, t, c), full, null, branch_weights(2.0, 2.0))
    generator = torch.Generator().manual_seed(1234)
    return sample(denoise, scheduler, scheduler.timesteps, given["latents"], generator)


@pytest.fixture(scope="module", params=["release", "by_rule"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "release":
        if not (RELEASE / "pytorch_model.bin").is_file():
            pytest.skip(f"{RELEASE} is not here; name the folder of golden numbers in CFLD_GOLDEN")
        return RELEASE
    folder = tmp_path_factory.mktemp("by_rule")
    write_checkpoint(folder)
    return folder


@pytest.fixture(scope="module")
def expected(checkpoint: Path) -> dict[str, Tensor]:
    """Inputs and outputs."""
    file = checkpoint / "expected.npz" if checkpoint == RELEASE else GOLDEN / "by_rule.npz"
    given = {} if checkpoint == RELEASE else inputs()
    with np.load(file) as numbers:
        return given | {name: torch.from_numpy(numbers[name]) for name in numbers}


@pytest.fixture(scope="module")
def loaded(checkpoint: Path) -> Parts:
    return load_official_checkpoint(checkpoint)


@pytest.fixture(scope="module")
def found(loaded: Parts, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    with torch.no_grad():
        return outputs(*loaded, expected)


def assert_agrees(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < TOLERANCE


@pytest.mark.parametrize(
    "name",
    ["prompt", "prompt_uncond"]
    + [f"pose_residual_{i}" for i in range(3)]
    + [f"bias_block_{i}_cross_attn_q" for i in range(3, 12)]
    + ["noise_cond", "noise_uncond", "noise_pose"],
)
def test_one_forward(name: str, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert_agrees(found[name], expected[name])


def test_golden_numbers_are_no_zeros(expected: dict[str, Tensor]) -> None:
    """Agreement on nothing would be easy."""
    assert all(value.float().std() > 1e-3 for name, value in expected.items() if not name.endswith("timesteps"))


def test_guided_noise(loaded: Parts, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    conditioner, unet = loaded
    full = conditioner(expected["source_image"], expected["pose"])
    t = expected["timesteps"]
    denoise = guided_denoiser(
        lambda z, _, c: predict_noise(unet, z, t.repeat(2), c), full, conditioner.null(2), branch_weights(2.0, 2.0)
    )
    with torch.no_grad():
        assert_agrees(denoise(expected["latents"], t[0]), 2 * expected["noise_cond"] - expected["noise_uncond"])
    three_branches = -expected["noise_uncond"] - 0.5 * expected["noise_pose"] + 2.5 * expected["noise_cond"]
    assert_agrees(found["noise_guided_w2_5"], three_branches)
    if "noise_guided_w2" in expected:
        assert_agrees(denoise(expected["latents"], t[0]).detach(), expected["noise_guided_w2"])


@pytest.mark.parametrize("name", FIVE_STEPS)
def test_five_steps(name: str, loaded: Parts, expected: dict[str, Tensor]) -> None:
    with torch.no_grad():
        assert_agrees(denoise_five_steps(*loaded, expected, name), expected[name])


def test_timesteps_of_fifty_ddpm_steps() -> None:
    scheduler = DDPMScheduler(**SCHEDULE, clip_sample=False)
    scheduler.set_timesteps(50)
    assert scheduler.timesteps.tolist() == list(range(981, 0, -20))


@pytest.fixture(scope="module")
def converted(checkpoint: Path, sd15_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> CFLDPipeline:
    """The pipeline of what `cfld convert` writes."""
    out = tmp_path_factory.mktemp("converted") / "model"
    convert_checkpoint(checkpoint, sd15_folder, out, (256, 176))
    pipe = CFLDPipeline.from_pretrained(out)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize("name", FIVE_STEPS)
def test_converted_pipeline(name: str, converted: CFLDPipeline, expected: dict[str, Tensor]) -> None:
    kind = DDIMScheduler if name.startswith("ddim") else DDPMScheduler
    converted.scheduler = kind.from_config(converted.scheduler.config)
    z_0 = converted(
        expected["source_image"],
        expected["pose"],
        num_inference_steps=5,
        latents=expected["latents"],
        generator=torch.Generator().manual_seed(1234),
        output_type="latent",
    ).images
    assert_agrees(z_0, expected[name])
