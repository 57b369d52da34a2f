"""Own images fitted in: the part of an image that shows the person as the training images show theirs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from PIL import Image

from cfld.poses.keypoints import DEEPFASHION_FRAME, Keypoints, joint_box

logger = logging.getLogger(__name__)

Fit = Literal["crop", "letterbox"]
Colour = tuple[int, int, int]
FIGURE_HEIGHT: Final = 0.755
"""Share of the image's height that a person's joints extend over: the median of 400 mannequins."""
FIGURE_MIDDLE: Final = 0.53
"""Where the middle of the joints lies, as a share of the image's height."""
FIGURE_WIDTH: Final = 0.9
"""Largest share of the image's width that the joints extend over; wider poses are shown smaller."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """An image of the training images' shape, and the pose in it.

    Attributes:
        image: RGB.
        keypoints: in a frame as large as the image.
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
    """The window around the person in which the joints have the training images' height and place; not resampled.

    Args:
        keypoints: the person's, in a frame as large as the image; of half a person, the joints that are there count.
        how: `crop` keeps the window inside the image, smaller where need be; `letterbox` lets it reach beyond.
        fill: the colour beyond the image; none = the median of the image's edge.
        shape: (height, width) whose proportions the result gets.

    Raises:
        ValueError: when no joint is there, or the pose is of an image of another size.
    """
    if not keypoints.visible.any():
        raise ValueError("all 18 joints are missing; nothing says where the person stands")
    if keypoints.frame != (image.height, image.width):
        raise ValueError(
            f"the pose is of an image of {keypoints.frame[0]} x {keypoints.frame[1]}, "
            f"the image is {image.height} x {image.width}"
        )
    top, left, height, width = _window(keypoints, how, shape)
    result = Image.new("RGB", (width, height), edge_colour(image) if fill is None else fill)
    result.paste(image.convert("RGB"), (-left, -top))
    fitted = Fitted(result, keypoints.cropped(top, left, (height, width)))
    if fitted.keypoints.cut_off:
        logger.warning("the %s cuts joints of the person off; fit=letterbox keeps what the image has", how)
    return fitted


def flatten(image: Image.Image, mask: Image.Image, colour: Colour | None = None) -> Image.Image:
    """The image with a plain background.

    Args:
        mask: white where the person is, grey where they are seen in part; as large as the image.
        colour: of the background; none = the median of the image's edge.

    Raises:
        ValueError: for a mask of another size, or without anything white in it.
    """
    if mask.size != image.size:
        raise ValueError(
            f"the mask is {mask.height} x {mask.width}, the image {image.height} x {image.width}; they must agree"
        )
    weights = mask.convert("L")
    if not weights.getbbox():
        raise ValueError("the mask is black all over; it is white where the person is")
    plain = Image.new("RGB", image.size, edge_colour(image) if colour is None else colour)
    return Image.composite(image.convert("RGB"), plain, weights)


def edge_colour(image: Image.Image) -> Colour:
    """The median colour of the image's outermost pixels."""
    pixels = np.asarray(image.convert("RGB"))
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = (int(channel) for channel in np.median(edge, axis=0))
    return red, green, blue


def _window(keypoints: Keypoints, how: Fit, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """(top, left, height, width) in whole pixels."""
    aspect = shape[1] / shape[0]
    top, left, bottom, right = joint_box(keypoints)
    height = max((bottom - top) / FIGURE_HEIGHT, (right - left) / FIGURE_WIDTH / aspect, 1 / aspect)
    if how == "crop":
        height = min(height, keypoints.frame[0], keypoints.frame[1] / aspect)
    rows, columns = max(round(height), 1), max(round(height * aspect), 1)
    corner = (
        round((top + bottom) / 2 - FIGURE_MIDDLE * rows),
        round((left + right) / 2 - columns / 2),
    )
    if how == "crop":
        corner = (
            min(max(corner[0], 0), keypoints.frame[0] - rows),
            min(max(corner[1], 0), keypoints.frame[1] - columns),
        )
    return *corner, rows, columns
