"""Mannequins offered on the page: images and target poses by random seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from PIL import Image

from cfld import mannequin
from cfld.contact_sheet import draw_pose
from cfld.files import replacing
from cfld.inference.pose_reading import target_poses
from cfld.poses.keypoints import Keypoints

THUMBNAIL: Final = (128, 88)
"""Height and width of a pose's image in pixels."""


def mannequin_image(seed: int) -> Image.Image:
    """A mannequin in its own pose, RGB, 256 x 176."""
    return Image.fromarray(mannequin.render(mannequin.sample_identity(seed), mannequin.sample_body_pose(seed)))


def mannequin_pose(seed: int) -> Keypoints:
    """The pose that the commands' `--target-pose` option gives for this seed."""
    (pose,) = target_poses([str(seed)]).values()
    return pose


def image_file(folder: Path, seed: int) -> Path:
    """Writes `mannequin_image` to the folder unless the file exists already; returns the file."""
    return _saved(folder / f"mannequin{seed}.png", lambda: mannequin_image(seed))


def pose_file(folder: Path, seed: int) -> Path:
    """Draws the skeleton of `mannequin_pose` to a file in the folder unless it exists already; returns the file."""
    return _saved(folder / f"pose{seed}.png", lambda: draw_pose(mannequin_pose(seed), THUMBNAIL))


def _saved(file: Path, make: Callable[[], Image.Image]) -> Path:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            make().save(temporary, format="PNG")
    return file
