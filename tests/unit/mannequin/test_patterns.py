"""Readings of patterns and sharpness, on true images that were changed in known ways."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from cfld import mannequin
from cfld.mannequin.drawing.identity import PATTERNS, Array
from cfld.mannequin.patterns import (
    GarmentView,
    details,
    figure_pixels,
    gabor_bank,
    garment_views,
    patterned_garments,
    sharpness,
    spectrum,
)

SIZE = (192, 132)


def render(seed: int) -> Array:
    image = mannequin.render(mannequin.sample_identity(seed), mannequin.sample_body_pose(seed), size=SIZE)
    return image.astype(np.float32) / 255


@pytest.fixture(scope="module")
def seen() -> list[tuple[Array, GarmentView]]:
    """The first garments of 20 people, with their true images."""
    found = []
    for seed in range(40_000_000, 40_000_060):
        views = garment_views(mannequin.sample_identity(seed), mannequin.sample_body_pose(seed), SIZE)
        if (view := next(views, None)) is not None:
            found.append((render(seed), view))
    return found[:20]


def right(seen: list[tuple[Array, GarmentView]], change: Callable[[Array, GarmentView], Array]) -> Array:
    """Shares of patterns and of kinds that are read right in changed images."""
    return np.mean([view.reads_right(change(image, view)) for image, view in seen], axis=0)


def test_true_images_are_read_right(seen: list[tuple[Array, GarmentView]]) -> None:
    assert right(seen, lambda image, _: image).tolist() == [1, 1]


def test_the_phase_does_not_matter(seen: list[tuple[Array, GarmentView]]) -> None:
    assert right(seen, lambda image, _: np.roll(image, 3, axis=1)).min() >= 0.9


def test_noise_does_not_matter(seen: list[tuple[Array, GarmentView]]) -> None:
    rng = np.random.default_rng(0)
    noisy = right(seen, lambda image, _: np.clip(image + rng.normal(0, 0.06, image.shape).astype(np.float32), 0, 1))
    assert noisy.min() >= 0.95


def test_blur_is_not_read_as_the_pattern(seen: list[tuple[Array, GarmentView]]) -> None:
    assert right(seen, lambda image, _: cv2.GaussianBlur(image, (0, 0), 2))[0] <= 0.25


def test_half_the_contrast_is_the_right_kind_and_not_the_pattern(seen: list[tuple[Array, GarmentView]]) -> None:
    pattern, kind = right(seen, lambda image, view: (image + view.plain) / 2)
    assert pattern <= 0.25
    assert kind == 1


def test_a_plain_garment_is_plain_and_its_kind_is_chance(seen: list[tuple[Array, GarmentView]]) -> None:
    assert {view.read(view.plain).pattern for _, view in seen} == {"plain"}
    assert right(seen, lambda _, view: view.plain)[1] < 0.5


def test_every_pattern_is_read_as_itself() -> None:
    patterns = set()
    for seed in range(40_000_000, 40_000_080):
        for view in garment_views(mannequin.sample_identity(seed), mannequin.sample_body_pose(seed), SIZE):
            assert view.read(render(seed)).pattern == view.texture.pattern
            patterns.add(view.texture.pattern)
    assert patterns == set(PATTERNS[1:])


def test_plain_people_have_no_garment_to_read() -> None:
    plain = next(who for who in map(mannequin.sample_identity, range(100)) if not patterned_garments(who))
    assert list(garment_views(plain, mannequin.sample_body_pose(0), SIZE)) == []


@pytest.mark.parametrize(("wavelength", "band"), [(4, 0), (6, 8), (9, 16), (14, 24)])
def test_a_wave_is_strongest_in_its_band(wavelength: int, band: int) -> None:
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * np.arange(132) / wavelength)
    found = spectrum(np.tile(wave.astype(np.float32), (192, 1)), np.ones((192, 132), bool))
    assert found.bands.argmax() == band
    assert found.bands[band] == pytest.approx(0.25, rel=0.1)  # half of its amplitude
    assert found.share == pytest.approx(0.5, abs=0.02)


def test_filters_have_no_mean() -> None:
    assert np.abs(gabor_bank((64, 64))[:, 0, 0]).max() < 1e-12


def test_an_image_is_as_sharp_as_itself_and_its_blur_is_not() -> None:
    identity, pose, image = mannequin.sample_identity(5), mannequin.sample_body_pose(5), render(5)
    pixels = figure_pixels(identity, pose, SIZE)
    assert sharpness(image, image, pixels) == 1
    assert sharpness(cv2.GaussianBlur(image, (0, 0), 1), image, pixels) < 0.7
    assert details(np.full((20, 20, 3), 0.3, np.float32)) == pytest.approx(0, abs=1e-6)


def test_the_figure_is_the_person_without_the_backdrop() -> None:
    pixels = figure_pixels(mannequin.sample_identity(5), mannequin.sample_body_pose(5), SIZE)
    assert 0.1 < pixels.mean() < 0.4
    assert not pixels[0].any()
    assert not pixels[:, 0].any()
