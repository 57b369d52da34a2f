"""The window of a network, and the way back to the image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cfld.poses.detectors.rtmpose import PADDING
from cfld.poses.detectors.window import Window
from support.dotted_people import grey


@pytest.mark.parametrize("box", [(10.0, 20.0, 210.0, 60.0), (10.0, 20.0, 40.0, 260.0)])
def test_the_window_is_the_published_one(box: tuple[float, float, float, float]) -> None:
    """Centre of the box, 1.25 times its sides, then the shorter side widened to 3:4 (MMPose, TopdownAffine)."""
    window = Window.around(box, (256, 192), PADDING)
    width, height = (box[3] - box[1]) * 1.25, (box[2] - box[0]) * 1.25
    expected = (width, width / 0.75) if width > height * 0.75 else (height * 0.75, height)
    assert (window.width, window.height) == pytest.approx(expected)
    middle = window.top + window.height / 2, window.left + window.width / 2
    assert middle == pytest.approx(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
    centre = window.to_image(np.array([[128.0, 96.0]]), (256, 192))
    np.testing.assert_allclose(centre, [middle])


def test_cut_and_to_image_agree() -> None:
    image = grey(300, 200)
    image[217, 101] = 255
    window = Window(200.0, 80.0, 64.0, 48.0)
    cut = window.cut(image, (128, 96), cv2.BORDER_CONSTANT)
    y, x = np.unravel_index(cut[..., 0].argmax(), cut.shape[:2])
    np.testing.assert_allclose(window.to_image(np.array([y, x]), (128, 96)), (217, 101), atol=0.5)
