"""The model that comes with the package: small enough, and good enough that a change which breaks it is seen."""

from __future__ import annotations

import json

import pytest
from safetensors import safe_open

from cfld.config.schema import SamplingConfig
from cfld.mannequin.quality import MannequinQuality, mannequin_quality
from cfld.pipeline import BUNDLED, CFLDPipeline

MANNEQUIN, TURBO = BUNDLED / "mannequin", BUNDLED / "mannequin-turbo"
PEOPLE, POSES, POSES_COMPARED = 10, 2, 6


@pytest.fixture(scope="module")
def quality() -> MannequinQuality:
    pipe = CFLDPipeline.from_pretrained("mannequin")
    pipe.set_progress_bar_config(disable=True)
    return mannequin_quality(pipe, SamplingConfig(steps=20, seed=5), PEOPLE, POSES, POSES_COMPARED)


def test_weights_are_float16_and_at_most_40_mb() -> None:
    assert sum(file.stat().st_size for file in BUNDLED.rglob("*") if file.is_file()) <= 40_000_000
    weights = [*MANNEQUIN.rglob("*.safetensors"), *TURBO.rglob("*.safetensors")]
    assert len(weights) == 4
    assert weights[-1].stat().st_size <= 10_000_000
    for file in weights:
        with safe_open(file, framework="pt") as tensors:
            kinds = {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118
        assert kinds == {"F16"}


def test_it_is_a_diffusers_folder_with_the_training_configuration_beside_it() -> None:
    index = json.loads((MANNEQUIN / "model_index.json").read_text())
    assert index["conditioner"] == ["cfld.models.conditioner", "Conditioner"]


def test_it_follows_the_pose(quality: MannequinQuality) -> None:
    assert quality.pose_top1 >= 0.9  # chance is 1/6


def test_it_carries_the_colours(quality: MannequinQuality) -> None:
    assert quality.identity_top1 >= 0.9  # chance is 1/10
    assert quality.psnr >= 19
    assert quality.psnr > max(quality.psnr_source, quality.psnr_mean) + 3
    assert quality.ssim > max(quality.ssim_source, quality.ssim_mean) + 0.1


def test_it_carries_the_cloth(quality: MannequinQuality) -> None:
    """Which PSNR and SSIM cannot tell, as they reward blur."""
    assert quality.garments >= 10
    assert quality.pattern_kind >= 0.5  # chance is 1/6
    assert quality.pattern_top1 >= 0.3  # chance is 1/7
    assert 0.75 <= quality.sharpness <= 1.1


def test_a_control_that_is_switched_off_is_missed(quality: MannequinQuality) -> None:
    assert quality.identity_top1_without_source <= 0.3  # chance is 1/10
    assert quality.pose_top1_without_pose <= 0.5  # chance is 1/6


def test_its_vae_keeps_the_image(quality: MannequinQuality) -> None:
    assert quality.vae_psnr >= 30


def test_the_student_does_so_in_two_steps() -> None:
    pipe = CFLDPipeline.from_pretrained("mannequin-turbo")
    pipe.set_progress_bar_config(disable=True)
    assert pipe.recipe.steps == 2
    quality = mannequin_quality(pipe, SamplingConfig(seed=5), PEOPLE, POSES, POSES_COMPARED)
    assert quality.pose_top1 >= 0.9
    assert quality.identity_top1 >= 0.9
    assert quality.psnr >= 19
    assert quality.pattern_kind >= 0.4
    assert 0.75 <= quality.sharpness <= 1.1
