"""Mannequins: procedural people, so that everything runs with no data set at all.

`sample_identity(seed)` says who, `sample_body_pose(seed)` says how they stand, `render` draws them and `keypoints`
says where their 18 joints are. Everything follows from the seeds alone.
"""

from typing import Final

from cfld.mannequin.drawing.attributes import VOCABULARY, describe
from cfld.mannequin.drawing.body import BodyPose, PlacedBody, keypoints, place_joints, sample_body_pose
from cfld.mannequin.drawing.identity import Identity, Texture, sample_identity
from cfld.mannequin.drawing.rendering import render
from cfld.poses.keypoints import Keypoints

DRAWING: Final = 2
"""Raised when the same seeds are drawn otherwise, so that nothing drawn before is mixed with what is drawn now."""

__all__ = [
    "DRAWING",
    "VOCABULARY",
    "BodyPose",
    "Identity",
    "PlacedBody",
    "Texture",
    "describe",
    "keypoints",
    "place_joints",
    "render",
    "sample_body_pose",
    "sample_identity",
    "seeded_pose",
]


def seeded_pose(seed: int) -> Keypoints:
    """A random pose on a random body, both by one seed."""
    return keypoints(sample_identity(seed), sample_body_pose(seed))
