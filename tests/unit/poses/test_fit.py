"""Own images fitted to the training images' shape."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cfld import mannequin
from cfld.poses.fit import FIGURE_HEIGHT, FIGURE_MIDDLE, edge_colour, fit_image, flatten
from cfld.poses.keypoints import Keypoints
from cfld.poses.people import joint_box

FRAME = (600, 800)


def standing(scale: float = 1.0, top: float = 150.0, left: float = 380.0) -> Keypoints:
    pose = mannequin.keypoints(mannequin.sample_identity(0), mannequin.BodyPose())
    return Keypoints(np.where(pose.visible[:, None], (pose.yx - (40, 88)) * scale + (top, left), np.nan), FRAME)


def marked(pose: Keypoints) -> Image.Image:
    """A grey image with a white pixel at every joint."""
    pixels = np.full((*pose.frame, 3), 90, dtype=np.uint8)
    for y, x in pose.yx[pose.visible]:
        pixels[int(y), int(x)] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("how", ["crop", "letterbox"])
@pytest.mark.parametrize(("scale", "top", "left"), [(1.0, 150, 380), (0.5, 200, 300), (1.3, 120, 400)])
def test_the_figure_is_as_large_as_in_the_training_images(how: str, scale: float, top: float, left: float) -> None:
    pose = standing(scale, top, left)
    fitted = fit_image(marked(pose), pose, how)  # type: ignore[arg-type]
    height, width = fitted.keypoints.frame
    assert (fitted.image.height, fitted.image.width) == (height, width)
    assert width / height == pytest.approx(176 / 256, abs=0.6 / height)
    y0, x0, y1, x1 = joint_box(fitted.keypoints)
    assert (y1 - y0) / height == pytest.approx(FIGURE_HEIGHT, abs=0.01)
    assert (y0 + y1) / 2 / height == pytest.approx(FIGURE_MIDDLE, abs=0.01)
    assert (x0 + x1) / 2 / width == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("how", ["crop", "letterbox"])
@pytest.mark.parametrize(("scale", "top", "left"), [(1.0, 150, 380), (2.5, 60, 100), (2.5, 60, 720)])
def test_the_joints_move_with_the_image(how: str, scale: float, top: float, left: float) -> None:
    pose = standing(scale, top, left)
    inside = pose.visible & (pose.yx >= 0).all(axis=1) & (pose.yx < FRAME).all(axis=1)
    pose = Keypoints(np.where(inside[:, None], pose.yx, np.nan), FRAME)
    fitted = fit_image(marked(pose), pose, how, (90, 90, 90))  # type: ignore[arg-type]
    pixels = np.asarray(fitted.image)
    for y, x in fitted.keypoints.yx[fitted.keypoints.visible]:
        if 0 <= y < pixels.shape[0] and 0 <= x < pixels.shape[1]:
            assert (pixels[int(y), int(x)] == 255).all()
    np.testing.assert_array_equal(fitted.keypoints.visible, pose.visible)


def test_a_crop_adds_nothing_and_a_letterbox_cuts_nobody_off() -> None:
    pose = standing(2.6, 20, 60)
    pose = Keypoints(np.where(pose.visible[:, None], pose.yx.clip(1, 590), np.nan), FRAME)
    image = marked(pose)
    crop, letterbox = fit_image(image, pose, "crop"), fit_image(image, pose, "letterbox", (255, 0, 0))
    assert not (np.asarray(crop.image) == (255, 0, 0)).all(axis=-1).any()
    assert crop.image.height <= 600
    assert not letterbox.keypoints.cut_off
    assert (np.asarray(letterbox.image) == (255, 0, 0)).all(axis=-1).any()
    assert letterbox.image.height > crop.image.height


def test_the_colour_beyond_is_that_of_the_edge() -> None:
    pose = standing(2.6, 20, 60)
    image = Image.new("RGB", (800, 600), (10, 120, 230))
    assert edge_colour(image) == (10, 120, 230)
    assert fit_image(image, pose, "letterbox").image.getcolors() == [
        (fit_image(image, pose, "letterbox").image.width * fit_image(image, pose, "letterbox").image.height,
         (10, 120, 230))
    ]  # fmt: skip


def test_a_mask_flattens_the_background() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8))
    mask = np.zeros((40, 30), dtype=np.uint8)
    mask[10:30, 5:20] = 255
    flat = np.asarray(flatten(noise, Image.fromarray(mask), (1, 2, 3)))
    np.testing.assert_array_equal(flat[mask > 0], np.asarray(noise)[mask > 0])
    assert (flat[mask == 0] == (1, 2, 3)).all()


def test_images_poses_and_masks_must_fit_together() -> None:
    pose, image = standing(), Image.new("RGB", (800, 600))
    with pytest.raises(ValueError, match="all 18 joints are missing"):
        fit_image(image, Keypoints(np.full((18, 2), -1), FRAME), "crop")
    with pytest.raises(ValueError, match=r"600 x 800.*300 x 400"):
        fit_image(image.resize((400, 300)), pose, "crop")
    far = Keypoints(np.where(np.arange(18)[:, None] == 3, 99_999, pose.yx), FRAME)
    with pytest.raises(ValueError, match="too far outside the image"):
        fit_image(image, far, "letterbox")
    with pytest.raises(ValueError, match="mask is 3 x 4"):
        flatten(image, Image.new("L", (4, 3), 255))
    with pytest.raises(ValueError, match="black everywhere"):
        flatten(image, Image.new("L", (800, 600)))
