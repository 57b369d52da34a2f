"""Sources of poses, by name: pose detectors, random poses and pose sequences. One row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cfld.registry import Registry

if TYPE_CHECKING:
    from cfld.poses.estimate import Detector
    from cfld.poses.keypoints import Keypoints

DETECTORS: Final[Registry[Callable[..., Detector]]] = Registry(
    "pose backend",
    {
        "auto": "cfld.poses.detectors.auto:Auto",
        "mannequin": "cfld.mannequin.pose_network.detector:MannequinDetector",
        "rtmpose": "cfld.poses.detectors.rtmpose:RTMPose",
        "mediapipe": "cfld.poses.detectors.mediapipe_landmarks:MediaPipe",
    },
)
"""Backend -> its class, called with (model, confidence); backends with a separate person detector also take `boxes`.
Arguments as in `estimate.open_detector`."""

SEEDED_POSES: Final[Registry[Callable[[int], Keypoints]]] = Registry(
    "kind of random pose", {"mannequin": "cfld.mannequin.drawing.body:seeded_pose"}
)
"""Name -> function from a random seed to a pose."""

POSE_SEQUENCES: Final[Registry[Callable[[int], list[Keypoints]]]] = Registry(
    "pose sequence", {"walk": "cfld.mannequin.drawing.walk:walk_keypoints"}
)
"""Name -> function from a number of frames to the poses of an animation."""
