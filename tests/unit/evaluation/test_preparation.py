from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from cfld.evaluation.preparation import Preparation
from cfld.metrics.protocols import PROTOCOLS
from support.metrics import SIZE


@pytest.fixture
def photo() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (150, 100, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def test_truth_by_pillow_and_opencv(photo: Image.Image) -> None:
    height, width = SIZE
    values = np.asarray(photo, dtype=np.float32)
    expected = {
        "cfld": np.asarray(photo.resize((width, height), Image.Resampling.BICUBIC)),
        "pidm": cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR),
        "pcdms": cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC),
    }
    for name, image in expected.items():
        found = Preparation(PROTOCOLS[name], SIZE).truth(photo)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.transpose(1, 2, 0) * 255, image, atol=1e-3)


def test_a_prediction_of_the_right_size_is_not_resampled(photo: Image.Image) -> None:
    for protocol in ("cfld", "pidm", "standard"):
        found = Preparation(PROTOCOLS[protocol], (150, 100)).prediction(photo)
        np.testing.assert_array_equal((found.transpose(1, 2, 0) * 255).round(), np.asarray(photo))


def test_cfld_truncates_and_standard_rounds(photo: Image.Image) -> None:
    truncated, rounded = (Preparation(PROTOCOLS[name], SIZE).prediction(photo) * 255 for name in ("cfld", "standard"))
    difference = (rounded - truncated).round()
    assert set(np.unique(difference)) == {0, 1}
    assert 0.4 < difference.mean() < 0.6
    np.testing.assert_allclose(truncated, truncated.round(), atol=1e-3)


def test_other_protocols_reject_another_size(photo: Image.Image) -> None:
    with pytest.raises(ValueError, match="150x100, but this protocol does not resize generated images to 64x44"):
        Preparation(PROTOCOLS["pidm"], SIZE).prediction(photo)


def test_padding(photo: Image.Image) -> None:
    """256 x 176 in the middle of 256 x 256, white around it; of a square image, columns 40 to 216."""
    preparation = Preparation(PROTOCOLS["dptn"], (256, 176))
    square = Image.effect_noise((256, 256), 90).convert("RGB")
    found = preparation.truth(square)
    assert found.shape == (3, 256, 256)
    assert (found[:, :, :40] == 1).all()
    assert (found[:, :, 216:] == 1).all()
    np.testing.assert_array_equal((found[0, :, 40:216] * 255).round(), np.asarray(square)[:, 40:216, 0])
    assert preparation.truth(photo).shape == (3, 256, 256)


def test_too_small() -> None:
    with pytest.raises(ValueError, match="at 32x32 or larger"):
        Preparation(PROTOCOLS["cfld"], (64, 20))


def test_padding_is_for_upright_images() -> None:
    with pytest.raises(ValueError, match="pads upright images"):
        Preparation(PROTOCOLS["dptn"], (44, 64))
