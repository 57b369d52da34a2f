"""Fits images and poses to the framing of the training images: aspect ratio, size and position of the person."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from PIL import Image

from cfld.poses.keypoints import DEEPFASHION_FRAME, Keypoints
from cfld.poses.people import joint_box

logger = logging.getLogger(__name__)

Fit = Literal["crop", "letterbox"]
Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
"""(top, left, bottom, right)."""
ASPECT_TOLERANCE: Final = 0.05
"""Relative difference of aspect ratios up to which an image or a pose is stretched to the other one."""
MAX_EXTENSION: Final = 10
"""Largest height of a window in image sizes."""
FIGURE_HEIGHT: Final = 0.755
"""Height of the joints' bounding box as a fraction of the image height: the median of 400 mannequins."""
FIGURE_MIDDLE: Final = 0.53
"""Vertical centre of that box as a fraction of the image height."""
FIGURE_WIDTH: Final = 0.9
"""Maximum width of that box as a fraction of the image width; wider poses are scaled down."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """An image with the framing of the training images, and its pose.

    Attributes:
        image: RGB.
        keypoints: in pixels of the image.
    """

    image: Image.Image
    keypoints: Keypoints


def fit_image(
    image: Image.Image,
    keypoints: Keypoints,
    how: Fit,
    fill: Colour | None = None,
    shape: tuple[int, int] = DEEPFASHION_FRAME,
) -> Fitted:
    """Cuts out the window in which the joints have the size and position of the training images; no resampling.

    Args:
        keypoints: the person's pose in pixels of the image; missing joints are ignored.
        how: `crop` keeps the window inside the image and shrinks it if necessary; `letterbox` lets it extend beyond.
        fill: colour beyond the image; None = the median of the image's edge.
        shape: (height, width), the aspect ratio of the result.

    Raises:
        ValueError: if all joints are missing, or the frame of the pose is not the size of the image.
    """
    if not keypoints.visible.any():
        raise ValueError("all 18 joints are missing, so the position of the person is unknown")
    if keypoints.frame != (image.height, image.width):
        raise ValueError(
            f"the pose has a frame of {keypoints.frame[0]} x {keypoints.frame[1]}, "
            f"but the image is {image.height} x {image.width}"
        )
    limits = keypoints.frame if how == "crop" else None
    top, left, height, width = _window(joint_box(keypoints), shape, limits)
    if height > MAX_EXTENSION * max(image.size):
        raise ValueError(f"the joints lie too far outside the image: the window would be {height} x {width}")
    result = Image.new("RGB", (width, height), edge_colour(image) if fill is None else fill)
    result.paste(image.convert("RGB"), (-left, -top))
    fitted = Fitted(result, keypoints.cropped(top, left, (height, width)))
    if fitted.keypoints.cut_off:
        logger.warning("%s cuts off joints of the person; letterbox keeps the whole image content", how)
    return fitted


def fit_poses(poses: Sequence[Keypoints], shape: tuple[int, int] = DEEPFASHION_FRAME) -> list[Keypoints]:
    """Cuts out the window of `letterbox` around all poses of one frame, such as an animation's.

    Args:
        poses: each with a visible joint.
        shape: (height, width), the aspect ratio of the results.
    """
    boxes = np.array([joint_box(pose) for pose in poses])
    (top, left), (bottom, right) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    top, left, height, width = _window((top, left, bottom, right), shape)
    return [pose.cropped(top, left, (height, width)) for pose in poses]


def same_aspect(size: tuple[int, int], shape: tuple[int, int]) -> bool:
    """Whether two (height, width) have the same aspect ratio, up to `ASPECT_TOLERANCE` or half a pixel of rounding."""
    exact = size[0] * shape[1] / shape[0]
    return abs(size[1] - exact) <= max(ASPECT_TOLERANCE * exact, 0.5)


def flatten(image: Image.Image, mask: Image.Image, colour: Colour | None = None) -> Image.Image:
    """Replaces the background by one colour.

    Args:
        mask: white on the person, black elsewhere, grey in between; of the image's size.
        colour: of the background; None = the median of the image's edge.

    Raises:
        ValueError: if the mask has another size, or is black everywhere.
    """
    if mask.size != image.size:
        raise ValueError(f"the mask is {mask.height} x {mask.width}, but the image is {image.height} x {image.width}")
    weights = mask.convert("L")
    if not weights.getbbox():
        raise ValueError("the mask is black everywhere; expected white on the person")
    plain = Image.new("RGB", image.size, edge_colour(image) if colour is None else colour)
    return Image.composite(image.convert("RGB"), plain, weights)


def edge_colour(image: Image.Image) -> Colour:
    """The median colour of the image's outermost pixels."""
    pixels = np.asarray(image.convert("RGB"))
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = (int(channel) for channel in np.median(edge, axis=0))
    return red, green, blue


def _window(box: Box, shape: tuple[int, int], limits: tuple[int, int] | None = None) -> tuple[int, int, int, int]:
    """(top, left, height, width) in pixels of the window around a figure, inside an image of size `limits` if given."""
    aspect = shape[1] / shape[0]
    top, left, bottom, right = box
    height = max((bottom - top) / FIGURE_HEIGHT, (right - left) / FIGURE_WIDTH / aspect, 1 / aspect)
    if limits is not None:
        height = min(height, limits[0], limits[1] / aspect)
    rows, columns = max(round(height), 1), max(round(height * aspect), 1)
    y, x = round((top + bottom) / 2 - FIGURE_MIDDLE * rows), round((left + right) / 2 - columns / 2)
    if limits is not None:
        y, x = min(max(y, 0), limits[0] - rows), min(max(x, 0), limits[1] - columns)
    return y, x, rows, columns
