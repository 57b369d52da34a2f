"""Style transfer and interpolation of jobs: noise, poses, strips and masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.config.schema import SamplingConfig
from cfld.contact_sheet import GAP
from cfld.inference.editing import interpolate_styles, strip, transfer_style
from cfld.inference.generation import generate
from cfld.inference.jobs import Job, image_jobs
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints
from cfld.readers.images import read_pixels
from support.images import difference, pixels

SAMPLING = SamplingConfig(steps=2, seed=3)


@pytest.fixture
def jobs(people: Path, poses: list[Keypoints]) -> list[Job]:
    return image_jobs(people, {"a": poses[0]})[:2]


def test_a_weight_of_one_is_plain_generation(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    first, mixed = interpolate_styles(pipe, jobs, [(1.0, 0.0), (0.5, 0.5)], SAMPLING)
    (file,) = generate(pipe, jobs[:1], SAMPLING, tmp_path / "out", {})
    assert difference(first, file) <= 1
    assert difference(first, mixed) > 1


def test_styles_are_transferred_in_the_mask_alone(pipe: CFLDPipeline, jobs: list[Job], person: Image.Image) -> None:
    left = np.zeros((person.height, person.width), np.uint8)
    left[:, :20] = 255
    steps: list[int] = []
    edited = transfer_style(
        pipe,
        person,
        Image.fromarray(left),
        jobs[1],
        SAMPLING,
        paste=True,
        on_step_end=lambda _, step, *__: steps.append(step),  # type: ignore[arg-type, return-value]
    )
    assert np.array_equal(pixels(edited)[:, 20:], pixels(person)[:, 20:])
    assert np.abs(pixels(edited)[:, :20] - pixels(person)[:, :20]).max() > 10
    assert steps == [0, 1]


def test_a_strip_of_several_images_and_of_one(person: Image.Image) -> None:
    sheet = strip([person] * 3, [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0)])
    assert sheet.width == 3 * (person.width + GAP) + GAP
    assert strip([person], [(1.0,)]) is person


def test_masks_keep_their_transparency(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (255, 255, 255, 0)).save(tmp_path / "mask.png")
    assert read_pixels(tmp_path / "mask.png").getextrema()[3] == (0, 0)
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(ValueError, match=r"text\.png"):
        read_pixels(tmp_path / "text.png")
