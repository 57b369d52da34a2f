"""Pose detectors, segmenters, random poses and pose sequences, by name. One row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cfld.registry import Registry

if TYPE_CHECKING:
    from cfld.poses.estimate import Detector
    from cfld.poses.keypoints import Keypoints
    from cfld.poses.segmenters import Segmenter

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

SEGMENTERS: Final[Registry[Callable[..., Segmenter]]] = Registry(
    "kind of segmenter file",
    {
        ".task": "cfld.poses.detectors.mediapipe_tasks:PoseLandmarkerMasks",
        ".tflite": "cfld.poses.detectors.mediapipe_tasks:SelfieSegmenter",
        ".onnx": "cfld.poses.detectors.u2net:U2Net",
    },
)
"""Extension of a model file -> the class of its segmenter, called with the file."""

SEEDED_POSES: Final[Registry[Callable[[int], Keypoints]]] = Registry(
    "kind of random pose", {"mannequin": "cfld.mannequin.drawing.body:seeded_pose"}
)
"""Name -> function from a random seed to a pose."""

POSE_SEQUENCES: Final[Registry[Callable[[int], list[Keypoints]]]] = Registry(
    "pose sequence", {"walk": "cfld.mannequin.drawing.walk:walk_keypoints"}
)
"""Name -> function from a number of frames to the poses of an animation."""
