"""Mannequins: procedural people, so that everything runs without a published data set.

`sample_identity(seed)` and `sample_body_pose(seed)` sample a person and a pose, `render` draws the image, `keypoints`
gives the 18 joints and `describe` the attributes. Everything is determined by the random seeds.
"""

from typing import Final

from cfld.mannequin.drawing.attributes import VOCABULARY, describe
from cfld.mannequin.drawing.body import BodyPose, keypoints, place_joints, sample_body_pose
from cfld.mannequin.drawing.identity import Identity, Texture, sample_identity
from cfld.mannequin.drawing.rendering import render
from cfld.poses.keypoints import Keypoints

DRAWING: Final = 2
"""Version of the drawing code, increased whenever a random seed gives another image; versions are never mixed."""

__all__ = [
    "DRAWING",
    "VOCABULARY",
    "BodyPose",
    "Identity",
    "Texture",
    "describe",
    "keypoints",
    "place_joints",
    "render",
    "sample_body_pose",
    "sample_identity",
]


def seeded_pose(seed: int) -> Keypoints:
    """Keypoints of a random pose of a random person, both determined by one seed."""
    return keypoints(sample_identity(seed), sample_body_pose(seed))
