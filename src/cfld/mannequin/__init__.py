"""Mannequins: procedural people, so that everything runs without a published data set.

    from cfld import mannequin

    identity, body_pose = mannequin.sample_identity(5), mannequin.sample_body_pose(3)
    image, keypoints = mannequin.render(identity, body_pose), mannequin.keypoints(identity, body_pose)

drawing/       random people (`sample_identity`) and poses (`sample_body_pose`), their images (`render`), joints
               (`keypoints`) and attributes (`describe`); all determined by the random seeds
dataset.py     data set of image pairs, rendered when read or written to a folder; layout.py: the folder's layout
pose_network/  small network that finds their joints, and its training; attribute_network/: one that reads what they
               wear; networks.py: what both share
quality.py     how well a model generates people that it was not trained on

The names above are imported from `drawing` when first used, so that `cfld --help` does not import NumPy and OpenCV.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfld.mannequin.drawing.attributes import PHRASES, VOCABULARY, describe
    from cfld.mannequin.drawing.body import BodyPose, keypoints, place_joints, sample_body_pose
    from cfld.mannequin.drawing.identity import Identity, Texture, sample_identity
    from cfld.mannequin.drawing.rendering import DRAWING, render

__all__ = [
    "DRAWING",
    "PHRASES",
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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'cfld.mannequin' has no attribute {name!r}")
    modules = (
        import_module(f"cfld.mannequin.drawing.{file}") for file in ("attributes", "body", "identity", "rendering")
    )
    return next(getattr(module, name) for module in modules if hasattr(module, name))
