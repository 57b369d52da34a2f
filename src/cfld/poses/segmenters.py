"""Masks of people in photographs, by the files of several programs, for plain backgrounds."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cfld.poses.detectors.auto import INSTALL
from cfld.poses.detectors.files import POSE_LANDMARKER
from cfld.poses.fit import Colour, flatten
from cfld.poses.keypoints import Keypoints
from cfld.poses.registry import SEGMENTERS

PLAIN: Final[Colour] = (234, 234, 234)
"""The median of 60 mannequins' backgrounds."""
SIDE: Final = 1024
"""Larger images are reduced to it for segmentation; the networks see 256 to 320 pixels."""
SOFT: Final = 9
"""Pixels of the reduced image in which a mask may fade out around the person."""


class Segmenter(Protocol):
    """Finds people: uint8 (H, W, 3), RGB -> float32 (N, H, W) in [0, 1], a mask for each or one for all of them."""

    def __call__(self, image: NDArray[np.uint8], /) -> NDArray[np.float32]: ...


def open_segmenter(model: Path | None = None) -> Segmenter:
    """Opens a segmenter.

    Args:
        model: a file of a kind in `SEGMENTERS`; None = the first that is installed.

    Raises:
        ValueError: for other files, if a package is not installed, or if no segmenter is.
    """
    path = model or installed_segmenter()
    if path is None:
        raise ValueError(f"--background plain needs a segmenter; first run: {setup_command()}")
    return SEGMENTERS[path.suffix.lower()](path)


def installed_segmenter() -> Path | None:
    """The first file of a segmenter whose package is installed: MediaPipe's pose landmarker, or rembg's own file."""
    places = {
        "mediapipe": POSE_LANDMARKER.path(),
        "onnxruntime": Path.home() / ".u2net" / "u2net_human_seg.onnx",
    }
    there = (path for package, path in places.items() if importlib.util.find_spec(package) and path.is_file())
    return next(there, None)


def setup_command() -> str:
    """The command that installs a segmenter."""
    return f"{'' if importlib.util.find_spec('mediapipe') else INSTALL}cfld download pose"


def plain_background(
    image: Image.Image, pose: Keypoints, segmenter: Segmenter, colour: Colour | None = PLAIN
) -> Image.Image:
    """Replaces all but the person by one colour.

    Args:
        pose: the person's, in a frame of the image's size.
        colour: as in `flatten`.

    Raises:
        ValueError: if the segmenter finds nobody where the pose is.
    """
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    mask = person_mask(segmenter(np.asarray(small)), pose.scaled((small.height, small.width)))
    return flatten(image, Image.fromarray((mask * 255).astype(np.uint8)).resize(image.size), colour)


def person_mask(masks: NDArray[np.float32], pose: Keypoints) -> NDArray[Any]:
    """The mask (H, W), in [0, 1], of the person with this pose: of the best of the masks the regions with joints.

    Args:
        masks: (N, H, W), in [0, 1].
        pose: in a frame of (H, W).

    Raises:
        ValueError: if none of them holds a joint.
    """
    y, x = pose.yx[pose.inside].astype(int).T
    if len(masks):
        mask = masks[masks[:, y, x].sum(axis=1).argmax()]
        _, regions = cv2.connectedComponents((mask > 0.5).astype(np.uint8))
        own = np.isin(regions, regions[y, x]) & (regions > 0)
        if own.any():
            return mask * cv2.dilate(own.astype(np.uint8), np.ones((SOFT, SOFT)))
    raise ValueError("the segmenter finds nobody where the pose is; leave out --background plain, or give a --mask")
