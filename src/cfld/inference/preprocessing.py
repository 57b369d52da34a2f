"""Own images: fitted to the training images' shape, and target poses put on the source's own body."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from PIL import Image

from cfld.contact_sheet import contact_sheet, draw_pose
from cfld.inference.generation import Job
from cfld.inference.pose_reading import PoseReader
from cfld.poses.fit import Colour, Fit, Fitted, fit_image
from cfld.poses.keypoints import Keypoints
from cfld.poses.retarget import retarget, retarget_all

logger = logging.getLogger(__name__)

SHAPE_TOLERANCE: Final = 0.02
"""Relative difference in width over height up to which a pose and an image are of one shape."""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What is done to a source image and to its target poses before they are drawn.

    Attributes:
        fit: see `fit_image`; none = the image as it is.
        background: the colour beyond the image where `fit` is "letterbox"; none = that of its edge.
        retarget: put the target poses on the source's own body.
        source_pose: a keypoint file of the source, or an image to find it in; none = found in the source itself.
        reader: of poses.
    """

    fit: Fit | None = None
    background: Colour | None = None
    retarget: bool = False
    source_pose: Path | None = None
    reader: PoseReader = field(default_factory=PoseReader)

    @property
    def needs_pose(self) -> bool:
        """Whether the source's own pose has to be known."""
        return self.fit is not None or self.retarget

    def find_pose(self, image: Image.Image, name: str) -> Keypoints:
        """The source's own pose, in a frame as large as the image.

        Raises:
            ValueError: when nobody is found, or `source_pose` is of an image of another shape.
        """
        if self.source_pose is None:
            return self.reader.image(image, name)
        pose = self.reader.file(self.source_pose, (image.height, image.width))
        shapes = pose.frame[1] / pose.frame[0], image.width / image.height
        if abs(shapes[0] / shapes[1] - 1) > SHAPE_TOLERANCE:
            raise ValueError(
                f"{self.source_pose} is of an image of {pose.frame[0]} x {pose.frame[1]}, "
                f"but {name} is {image.height} x {image.width}"
            )
        return pose.scaled((image.height, image.width))

    def fitted(self, image: Image.Image, pose: Keypoints) -> Fitted:
        """The image as it is drawn from, and the person's pose in it."""
        return Fitted(image, pose) if self.fit is None else fit_image(image, pose, self.fit, self.background)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A job as it is drawn.

    Attributes:
        job: with the fitted source, and the pose on the source's body.
        source_pose: the source's own, in the frame of the fitted source; none where it is not needed.
        target_pose: as it was asked for.
    """

    job: Job
    source_pose: Keypoints | None
    target_pose: Keypoints


def prepare_jobs(jobs: Sequence[Job], preparation: Preparation) -> list[Prepared]:
    """The same jobs with fitted sources and retargeted poses; in each source the pose is found once.

    Raises:
        ValueError: naming the source, when nobody is found in it; when one `source_pose` is given for several.
    """
    if not preparation.needs_pose:
        for job in jobs:
            warn_of_pose(job.pose, job.name)
        return [Prepared(job, None, job.pose) for job in jobs]
    sources = {job.source: job for job in jobs}
    if preparation.source_pose is not None and len(sources) > 1:
        raise ValueError(f"{preparation.source_pose} is one pose, and there are {len(sources)} sources")
    poses = {name: preparation.find_pose(job.read_source(), name) for name, job in sources.items()}
    return [_prepared(job, poses[job.source], preparation) for job in jobs]


def _prepared(job: Job, pose: Keypoints, preparation: Preparation) -> Prepared:
    own = preparation.fitted(job.read_source(), pose).keypoints
    on_body = retarget(own, job.pose) if preparation.retarget else job.pose
    warn_of_pose(on_body, job.name)
    fitted = replace(job, read_source=lambda: preparation.fitted(job.read_source(), pose).image, pose=on_body)
    return Prepared(fitted, own, job.pose)


def warn_of_pose(pose: Keypoints, name: str) -> None:
    """Says what a pose will make of the image that is drawn by it."""
    if pose.cut_off:
        logger.warning("%s: joints of the pose lie outside the image, where nothing is drawn", name)
    if pose.frame[1] > pose.frame[0]:
        logger.warning("%s: the pose is of a wide image, so the person comes out narrow; --retarget mends it", name)


@dataclass(frozen=True, eq=False)
class PreparedSequence:
    """A source and the poses of an animation, as they are drawn."""

    image: Image.Image
    poses: list[Keypoints]


def prepare_sequence(
    image: Image.Image, name: str, poses: Sequence[Keypoints], preparation: Preparation
) -> PreparedSequence:
    """As `prepare_jobs`, for poses of one body, which is measured in all of them together.

    Args:
        name: what messages call the source.
    """
    ready = _prepared_sequence(image, name, poses, preparation)
    warn_of_pose(next((pose for pose in ready.poses if pose.cut_off), ready.poses[0]), name)
    return ready


def _prepared_sequence(
    image: Image.Image, name: str, poses: Sequence[Keypoints], preparation: Preparation
) -> PreparedSequence:
    if not preparation.needs_pose:
        return PreparedSequence(image, list(poses))
    fitted = preparation.fitted(image, preparation.find_pose(image, name))
    if not preparation.retarget:
        return PreparedSequence(fitted.image, list(poses))
    return PreparedSequence(fitted.image, retarget_all(fitted.keypoints, poses))


def retargeting_sheet(source: Keypoints, target: Keypoints, result: Keypoints) -> Image.Image:
    """Source pose, target pose and the target's on the source's body, side by side."""
    cell = (256, round(256 * source.frame[1] / source.frame[0]))
    poses = [draw_pose(_of_shape(pose, source.frame), cell) for pose in (source, target, result)]
    return contact_sheet([poses], ("source", "target", "retargeted"), cell)


def _of_shape(pose: Keypoints, shape: tuple[int, int]) -> Keypoints:
    """The pose in the middle of the smallest frame of that shape that holds its own."""
    scale = max(pose.frame[0] / shape[0], pose.frame[1] / shape[1])
    height, width = round(shape[0] * scale), round(shape[1] * scale)
    return pose.cropped((pose.frame[0] - height) / 2, (pose.frame[1] - width) / 2, (height, width))
