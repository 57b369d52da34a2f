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


@pytest.mark.parametrize(
    ("size", "compared", "refused"),
    [
        ((64, 176), (64, 44), True),  # four images side by side
        ((64, 88), (64, 44), True),
        ((120, 90), (64, 44), True),
        ((256, 44), (64, 44), True),
        ((64, 176), (64, 64), True),
        ((256, 256), (64, 44), False),
        ((512, 352), (64, 44), False),
        ((128, 64), (64, 64), False),
        ((128, 64), (64, 32), False),
    ],
)
def test_predictions_are_not_stretched(size: tuple[int, int], compared: tuple[int, int], refused: bool) -> None:
    preparation, image = Preparation(PROTOCOLS["cfld"], compared), Image.new("RGB", size[::-1])
    if refused:
        with pytest.raises(ValueError, match=f"the image is {size[0]}x{size[1]} and would be stretched"):
            preparation.prediction(image)
    else:
        assert preparation.prediction(image).shape == (3, *compared)


def test_strips_as_true_images_are_refused() -> None:
    with pytest.raises(ValueError, match="the image is 64x88 and would be stretched to 64x44"):
        Preparation(PROTOCOLS["cfld"], (64, 44)).truth(Image.new("RGB", (88, 64)))


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
