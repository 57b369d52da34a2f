from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.config.schema import SamplingConfig
from cfld.contact_sheet import GAP
from cfld.pipeline import CFLDPipeline
from cfld.reproduction import figures


def test_the_seed_determines_the_people() -> None:
    one, again, two = (np.asarray(figures._people(1, 2, seed)[0][0].image) for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, two)


def test_the_ends_of_the_interpolation_are_plain_generation(pipe: CFLDPipeline) -> None:
    sampling = SamplingConfig(steps=1)
    sheet = np.asarray(figures.style_interpolation(pipe, sampling, frames=3))
    (first, target), (second, _), *_ = figures._people(8, 2, 0)
    height, width = pipe.config.output_size
    top = sheet.shape[0] - 4 * (height + GAP)
    cells = [sheet[top : top + height, GAP + i * (width + GAP) :][:, :width] for i in range(5)]
    assert np.array_equal(cells[1], np.asarray(figures._generate(pipe, sampling, first, target)))
    assert np.array_equal(cells[3], np.asarray(figures._generate(pipe, sampling, second, target)))


@pytest.mark.parametrize("seed", range(4))
def test_masks_cover_only_the_upper_garment(seed: int) -> None:
    """The area around the chest, without hair, feet or background."""
    (view, _), *_ = figures._people(1, 2, seed)
    mask = np.asarray(figures.garment_mask(view)) > 0
    assert 0.02 < mask.mean() < 0.3
    joints = view.pose.yx[view.pose.visible]
    chest = view.pose.yx[[1, 8, 11]].mean(axis=0)
    y, x = np.argwhere(mask).mean(axis=0)
    assert abs(x - chest[1]) < 25
    assert joints[:, 0].min() < y < joints[:, 0].max()
    assert not mask[:, 0].any()
    assert not mask[-10:].any()


def test_saved_images_are_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 600, 3), dtype=np.uint8)
    figures.save_small(Image.fromarray(noise), tmp_path / "x.jpg")
    assert (tmp_path / "x.jpg").stat().st_size <= figures.MAX_BYTES
