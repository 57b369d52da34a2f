"""Preprocessing of photographs: sources fitted to the training images, target poses retargeted to the source's body."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from PIL import Image

from cfld.contact_sheet import contact_sheet, draw_pose
from cfld.inference.failures import Failures
from cfld.inference.jobs import Job
from cfld.inference.pose_reading import PoseReader
from cfld.poses.fit import Colour, Fit, Fitted, fit_image
from cfld.poses.keypoints import Keypoints
from cfld.poses.render import check_drawn
from cfld.poses.retarget import retarget, retarget_all
from cfld.poses.segmenters import Segmenter, plain_background

logger = logging.getLogger(__name__)

ASPECT_TOLERANCE: Final = 0.02
"""Accepted relative difference between the aspect ratios of a pose's frame and of its image."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What to do with source images and target poses before generation.

    Attributes:
        fit: see `fit_image`; None = keep the image.
        background: colour that `letterbox` and `segmenter` fill with; None = that of the image's edge.
        segmenter: makes the background plain; None = the background is kept.
        retarget: whether to transfer target poses to the source's body.
        source_pose: keypoint file of the source, or an image to detect it in; None = detect it in the source.
        reader: reads poses.
    """

    fit: Fit | None = None
    background: Colour | None = None
    retarget: bool = False
    source_pose: Path | None = None
    reader: PoseReader = field(default_factory=PoseReader)
    segmenter: Segmenter | None = None

    @property
    def needs_pose(self) -> bool:
        """Whether the pose in the source is used."""
        return self.fit is not None or self.retarget or self.segmenter is not None

    def find_pose(self, image: Image.Image, name: str) -> Keypoints:
        """The pose in the source, in a frame of the image's size.

        Args:
            name: of the source, for error messages.

        Raises:
            ValueError: when no person is found, or `source_pose` refers to an image of another aspect ratio.
        """
        if self.source_pose is None:
            return self.reader.image(image, name)
        pose = self.reader.file(self.source_pose, (image.height, image.width))
        aspects = pose.frame[1] / pose.frame[0], image.width / image.height
        if abs(aspects[0] / aspects[1] - 1) > ASPECT_TOLERANCE:
            raise ValueError(
                f"{self.source_pose} refers to an image of {pose.frame[0]} x {pose.frame[1]}, "
                f"but {name} is {image.height} x {image.width}"
            )
        return pose.scaled((image.height, image.width))

    def fitted(self, image: Image.Image, pose: Keypoints) -> Fitted:
        """The source to encode, and the pose in it.

        Raises:
            ValueError: as `plain_background` and `fit_image`.
        """
        if self.segmenter is not None:
            image = plain_background(image, pose, self.segmenter, self.background)
        return Fitted(image, pose) if self.fit is None else fit_image(image, pose, self.fit, self.background)


@dataclass(frozen=True, eq=False)
class PreprocessedJob:
    """A job after preprocessing.

    Attributes:
        job: with the fitted source and the retargeted pose.
        source_pose: in the fitted source; None unless the pose was retargeted.
        target_pose: before retargeting.
    """

    job: Job
    source_pose: Keypoints | None
    target_pose: Keypoints

    def retargeting_sheet(self) -> Image.Image | None:
        """Source pose, target pose and retargeted pose side by side; None unless the pose was retargeted."""
        if self.source_pose is None:
            return None
        return retargeting_sheet(self.source_pose, self.target_pose, self.job.pose)


def preprocess_jobs(
    jobs: Sequence[Job], preprocessing: Preprocessing, failures: Failures | None = None
) -> list[PreprocessedJob]:
    """Fits the sources and retargets the poses of jobs; the pose in each source is detected once.

    Args:
        failures: collects the jobs that fail; None = they are reported as an error.

    Returns:
        the jobs that did not fail.

    Raises:
        ValueError: when no person is found in a source, one `source_pose` is given for several sources, or a pose lies
            outside its frame.
    """
    poses: dict[str, Keypoints] = {}
    failed, unusable = Failures() if failures is None else failures, Failures()
    if preprocessing.needs_pose:
        sources = {job.source: job for job in jobs}
        if preprocessing.source_pose is not None and len(sources) > 1:
            raise ValueError(f"{preprocessing.source_pose} is one pose, but there are {len(sources)} sources")
        for name, job in sources.items():
            with unusable.item(name):
                poses[name] = preprocessing.find_pose(job.read_source(), name)
    preprocessed = []
    for job in jobs:
        with failed.item(job.name):
            if job.source in unusable.messages:
                raise ValueError(unusable.messages[job.source])
            one = _preprocess_job(job, poses.get(job.source), preprocessing)
            if not one.job.as_in_training:
                _check_pose(one.job.pose, one.job.name)
            preprocessed.append(one)
    if failures is None or not preprocessed:
        failed.check(len(jobs))
    return preprocessed


def _preprocess_job(job: Job, pose: Keypoints | None, preprocessing: Preprocessing) -> PreprocessedJob:
    if pose is None:
        return PreprocessedJob(job, None, job.pose)
    source_pose = preprocessing.fitted(job.read_source(), pose).keypoints
    fitted = replace(job, read_source=lambda: preprocessing.fitted(job.read_source(), pose).image)
    if not preprocessing.retarget:
        return PreprocessedJob(fitted, None, job.pose)
    return PreprocessedJob(replace(fitted, pose=retarget(source_pose, job.pose)), source_pose, job.pose)


@dataclass(frozen=True, eq=False)
class PreprocessedSequence:
    """A source and the poses of an animation after preprocessing."""

    image: Image.Image
    poses: list[Keypoints]


def preprocess_sequence(
    image: Image.Image, name: str, poses: Sequence[Keypoints], preprocessing: Preprocessing
) -> PreprocessedSequence:
    """As `preprocess_jobs`, for poses of one body, whose bone lengths are measured over all poses together.

    Args:
        name: of the source, for messages.
    """
    poses = list(poses)
    if preprocessing.needs_pose:
        fitted = preprocessing.fitted(image, preprocessing.find_pose(image, name))
        image = fitted.image
        poses = retarget_all(fitted.keypoints, poses) if preprocessing.retarget else poses
    for number, pose in enumerate(poses, start=1):
        check_drawn(pose, f"{name}: pose {number}")
    _warn_about_pose(next((pose for pose in poses if pose.cut_off), poses[0]), name)
    return PreprocessedSequence(image, poses)


def retargeting_sheet(source: Keypoints, target: Keypoints, result: Keypoints) -> Image.Image:
    """Source pose, target pose and retargeted pose side by side."""
    cell = (256, round(256 * source.frame[1] / source.frame[0]))
    poses = [draw_pose(_padded(pose, source.frame), cell) for pose in (source, target, result)]
    return contact_sheet([poses], ("source", "target", "retargeted"), cell)


def _check_pose(pose: Keypoints, name: str) -> None:
    check_drawn(pose, name)
    _warn_about_pose(pose, name)


def _warn_about_pose(pose: Keypoints, name: str) -> None:
    if pose.cut_off:
        logger.warning("%s: joints of the pose lie outside the image and will not be visible", name)


def _padded(pose: Keypoints, shape: tuple[int, int]) -> Keypoints:
    """The pose in the centre of the smallest frame with the aspect ratio of `shape` that contains its own frame."""
    scale = max(pose.frame[0] / shape[0], pose.frame[1] / shape[1])
    height, width = round(shape[0] * scale), round(shape[1] * scale)
    return pose.cropped((pose.frame[0] - height) / 2, (pose.frame[1] - width) / 2, (height, width))
