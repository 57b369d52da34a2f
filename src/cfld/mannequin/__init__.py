"""Mannequins: procedural people, so that everything runs without any data set.

    from cfld import mannequin

    identity, body_pose = mannequin.sample_identity(5), mannequin.sample_body_pose(3)
    image, keypoints = mannequin.render(identity, body_pose), mannequin.keypoints(identity, body_pose)

drawing/       who (`sample_identity`), in which pose (`sample_body_pose`), as an image (`render`) and as 18 joints
               (`keypoints`); everything is a function of the seeds alone
dataset.py     pairs of images of them, generated on the fly or written in the DeepFashion layout
pose_network/  the small network that finds their joints, and its training
quality.py     how well a model generates people that it never saw
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfld.mannequin.drawing import (
        DRAWING,
        VOCABULARY,
        BodyPose,
        Identity,
        PlacedBody,
        Texture,
        describe,
        keypoints,
        place_joints,
        render,
        sample_body_pose,
        sample_identity,
        seeded_pose,
    )

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


def __getattr__(name: str) -> Any:
    """Imports the drawing code, and OpenCV with it, when it is first asked for: `cfld --help` stays quick."""
    if name not in __all__:
        raise AttributeError(f"module 'cfld.mannequin' has no attribute {name!r}")
    from cfld.mannequin import drawing

    return getattr(drawing, name)
