"""Mannequins: procedural people, so that everything runs with no data set at all.

`sample_identity(seed)` says who, `sample_body_pose(seed)` says how they stand, `render` draws them and `keypoints`
says where their 18 joints are. Everything follows from the seeds alone.
"""

from typing import Final

from cfld.data.mannequin.attributes import WORDS, words
from cfld.data.mannequin.body import BodyPose, PlacedBody, keypoints, place_joints, sample_body_pose
from cfld.data.mannequin.draw import render
from cfld.data.mannequin.identity import Identity, Texture, sample_identity

DRAWING: Final = 2
"""Raised when the same seeds are drawn otherwise, so that nothing drawn before is mixed with what is drawn now."""

__all__ = [
    "DRAWING",
    "WORDS",
    "BodyPose",
    "Identity",
    "PlacedBody",
    "Texture",
    "keypoints",
    "place_joints",
    "render",
    "sample_body_pose",
    "sample_identity",
    "words",
]
