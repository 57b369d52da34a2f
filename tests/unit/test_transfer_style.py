"""`CFLDPipeline.transfer_style` and interpolated sources, on the real components at tiny size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cfld.build import build_scheduler
from cfld.config.schema import SchedulerConfig
from cfld.data.transforms import resize, to_model_range, to_tensor
from cfld.diffusion.interpolation import interpolate
from cfld.diffusion.schedulers import SCHEDULERS, make_scheduler
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints

STEPS = 3


@pytest.fixture(scope="module")
def style(person: Image.Image) -> Image.Image:
    return person.rotate(180).convert("L").convert("RGB")


@pytest.fixture(scope="module")
def mask(person: Image.Image) -> Image.Image:
    """The left half of the person's image."""
    mask = np.zeros((person.height, person.width), dtype=np.uint8)
    mask[:, : person.width // 2] = 255
    return Image.fromarray(mask)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def transfer(pipe: CFLDPipeline, *arguments: Any, **options: Any) -> list[np.ndarray[Any, Any]]:
    given = {"num_inference_steps": STEPS, "generator": seeded(), **options}
    return [np.asarray(image) for image in pipe.transfer_style(*arguments, **given).images]


def reconstructed(pipe: CFLDPipeline, image: Image.Image) -> np.ndarray[Any, Any]:
    """The VAE's reconstruction of an image, at the output size."""
    square = resize(to_model_range(to_tensor(image)), (64, 64))[None]
    decoded = pipe.vae.decode(pipe.vae.encode(square).latent_dist.mode()).sample
    image_again = resize(decoded, tuple(pipe.config.output_size))[0] / 2 + 0.5
    return (image_again.clamp(0, 1).permute(1, 2, 0).detach().numpy() * 255).round()


SCHEDULES = [
    SchedulerConfig(),
    SchedulerConfig(prediction_type="v_prediction", timestep_spacing="trailing", rescale_betas_zero_snr=True),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["sd15", "zero-snr"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_unmasked_pixels_are_the_vae_reconstruction_of_the_reference(
    name: str,
    schedule: SchedulerConfig,
    pipe: CFLDPipeline,
    person: Image.Image,
    mask: Image.Image,
    style: Image.Image,
    poses: list[Keypoints],
) -> None:
    scheduler = make_scheduler(name, build_scheduler(schedule).config)
    other = CFLDPipeline(**{**pipe.components, "scheduler": scheduler}, output_size=pipe.config.output_size)
    other.set_progress_bar_config(disable=True)
    (edited,) = transfer(other, person, mask, style, poses[0])
    expected = reconstructed(pipe, person)
    assert edited.shape == expected.shape == (64, 44, 3)
    assert np.abs(edited[:, 23:] - expected[:, 23:]).max() <= 1
    assert np.abs(edited[:, :20] - expected[:, :20]).mean() > 2


class TestPaste:
    @pytest.mark.parametrize("feather", [0, 5])
    def test_unmasked_pixels_are_bit_identical_to_the_reference(
        self,
        feather: float,
        pipe: CFLDPipeline,
        person: Image.Image,
        mask: Image.Image,
        style: Image.Image,
        poses: list[Keypoints],
    ) -> None:
        (edited,) = transfer(pipe, person, mask, style, poses[0], feather=feather, paste=True)
        inside, reference = np.asarray(mask) > 0, np.asarray(person)
        assert edited.shape == reference.shape
        assert np.array_equal(edited[~inside], reference[~inside])
        assert np.abs(edited[inside].astype(int) - reference[inside]).mean() > 2

    def test_a_feathered_edge_blends_into_the_reference(
        self, pipe: CFLDPipeline, person: Image.Image, mask: Image.Image, style: Image.Image, poses: list[Keypoints]
    ) -> None:
        edge = person.width // 2 - 1
        hard, soft = (
            transfer(pipe, person, mask, style, poses[0], feather=f, paste=True)[0].astype(float) for f in (0, 9)
        )
        reference = np.asarray(person).astype(float)
        assert np.abs(soft - reference)[:, edge].mean() < 0.2 * np.abs(hard - reference)[:, edge].mean()
        assert np.array_equal(soft[:, : edge - 9], hard[:, : edge - 9])


def test_a_full_mask_is_plain_generation(
    pipe: CFLDPipeline, person: Image.Image, style: Image.Image, poses: list[Keypoints]
) -> None:
    everything = Image.new("L", person.size, "white")
    (edited,) = transfer(pipe, person, everything, style, poses[0])
    plain = pipe(style, poses[0], num_inference_steps=STEPS, generator=seeded()).images[0]
    assert np.array_equal(edited, np.asarray(plain))


def test_one_image_per_style(
    pipe: CFLDPipeline, person: Image.Image, mask: Image.Image, style: Image.Image, poses: list[Keypoints]
) -> None:
    generators = [seeded(1), seeded(2)]
    both = transfer(pipe, person, mask, [style, person], poses[0], generator=generators, paste=True)
    alone = transfer(pipe, person, mask, person, poses[0], generator=seeded(2), paste=True)
    assert np.abs(both[1].astype(int) - alone[0]).max() <= 1
    assert not np.array_equal(*both)


def test_callbacks_get_the_masked_latents_and_may_stop(
    pipe: CFLDPipeline, person: Image.Image, mask: Image.Image, style: Image.Image, poses: list[Keypoints]
) -> None:
    seen: list[Tensor] = []

    def stop(p: CFLDPipeline, i: int, _: Tensor, tensors: dict[str, Tensor]) -> None:
        seen.append(tensors["latents"])
        p._interrupt = i == 1

    transfer(pipe, person, mask, style, poses[0], num_inference_steps=5, callback_on_step_end=stop)
    assert len(seen) == 2
    first = seen.copy()
    seen.clear()
    transfer(pipe, person, mask, person, poses[0], num_inference_steps=5, callback_on_step_end=stop)
    outside = (..., slice(5, None))  # another style, the same noise
    assert all(torch.equal(a[outside], b[outside]) for a, b in zip(first, seen, strict=True))
    assert not torch.equal(first[0], seen[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_inference_steps": 0}, "num_inference_steps"),
        ({"pose_guidance_scale": float("nan")}, "finite"),
        ({"feather": -1}, "feather"),
        ({"generator": [seeded(), seeded()]}, "2 generators for 1 samples"),
    ],
)
def test_invalid_arguments_raise(
    options: dict[str, Any],
    message: str,
    pipe: CFLDPipeline,
    person: Image.Image,
    mask: Image.Image,
    style: Image.Image,
    poses: list[Keypoints],
) -> None:
    with pytest.raises(ValueError, match=message):
        transfer(pipe, person, mask, style, poses[0], **options)


def test_invalid_masks_raise(
    pipe: CFLDPipeline, person: Image.Image, style: Image.Image, poses: list[Keypoints]
) -> None:
    with pytest.raises(ValueError, match="mask has 45 x 66 pixels, expected 45 x 67"):
        transfer(pipe, person, Image.new("L", (45, 66), "white"), style, poses[0])
    with pytest.raises(ValueError, match="the mask is empty"):
        transfer(pipe, person, Image.new("L", person.size), style, poses[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_other_dtypes(
    dtype: torch.dtype,
    make_pipe: Callable[..., CFLDPipeline],
    person: Image.Image,
    mask: Image.Image,
    style: Image.Image,
    poses: list[Keypoints],
) -> None:
    (edited,) = transfer(make_pipe().to(dtype), person, mask, style, poses[0], paste=True)
    outside = np.asarray(mask) == 0
    assert np.array_equal(edited[outside], np.asarray(person)[outside])


def test_offloading(
    make_pipe: Callable[..., CFLDPipeline],
    pipe: CFLDPipeline,
    person: Image.Image,
    mask: Image.Image,
    style: Image.Image,
    poses: list[Keypoints],
) -> None:
    other = make_pipe()
    other.enable_model_cpu_offload(device="cpu")
    assert np.array_equal(transfer(other, person, mask, style, poses[0]), transfer(pipe, person, mask, style, poses[0]))


class TestInterpolation:
    def test_a_weight_of_one_is_plain_generation(
        self, pipe: CFLDPipeline, person: Image.Image, style: Image.Image, poses: list[Keypoints]
    ) -> None:
        sources = [pipe.encode_source(person), pipe.encode_source(style)]
        for weights, image in (((1, 0), person), ((0, 1), style)):
            options = {"num_inference_steps": STEPS, "output_type": "pt"}
            mixed = pipe(interpolate(sources, weights), poses[0], generator=seeded(), **options).images
            assert torch.equal(mixed, pipe(image, poses[0], generator=seeded(), **options).images)

    def test_a_mixture_lies_between_its_sources(
        self, pipe: CFLDPipeline, person: Image.Image, style: Image.Image, poses: list[Keypoints]
    ) -> None:
        sources = [pipe.encode_source(person), pipe.encode_source(style)]
        ends_and_middle = [
            pipe(interpolate(sources, weights), poses[0], STEPS, generator=seeded(), output_type="latent").images
            for weights in ((1, 0), (0.5, 0.5), (0, 1))
        ]
        first, middle, last = ends_and_middle
        assert not torch.allclose(first, middle, atol=1e-3)
        assert not torch.allclose(middle, last, atol=1e-3)
        assert (middle - first).norm() < (last - first).norm()
