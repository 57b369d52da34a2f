"""MediaPipe's task files: opening, and masks of people."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cfld.readers.text import check_file

MAX_PEOPLE: Final = 10


def open_task(kind: str, path: Path, **options: Any) -> Callable[[], Any]:
    """A function that opens a task for one image: MediaPipe's finalizer can wait for itself, so no task is left to it.

    Args:
        kind: `pose landmarker` or `image segmenter`.
        options: those of the kind.

    Raises:
        ValueError: if the file is no such task, or mediapipe is not installed.
    """
    check_file(path)
    os.environ.setdefault("GLOG_minloglevel", "2")  # MediaPipe's own messages, which say nothing to users
    try:
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError:
        raise ValueError("backend mediapipe needs the package mediapipe: pip install 'cfld[mediapipe]'") from None
    task = kind.title().replace(" ", "")
    given = getattr(vision, f"{task}Options")(base_options=BaseOptions(model_asset_path=str(path)), **options)

    def opened() -> Any:
        return getattr(vision, task).create_from_options(given)

    try:
        opened().close()
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: no {kind} task ({' '.join(str(error).split())[:160]})") from None
    return opened


def to_frame(image: NDArray[np.uint8]) -> Any:
    """MediaPipe's form of an image, uint8 (H, W, 3), RGB."""
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))


class SelfieSegmenter:
    """One mask of all people, by an image segmenter, such as `selfie_segmenter.tflite`."""

    def __init__(self, path: Path) -> None:
        """Raises ValueError as `open_task`."""
        self._open = open_task("image segmenter", path, output_confidence_masks=True)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `segmenters.Segmenter`."""
        with self._open() as segmenter:
            masks = _stacked(segmenter.segment(to_frame(image)).confidence_masks, image)
        return masks if len(masks) == 1 else 1 - masks[:1]  # of several classes the first is the background


class PoseLandmarkerMasks:
    """A mask of each person, by a pose landmarker."""

    def __init__(self, path: Path) -> None:
        """Raises ValueError as `open_task`."""
        self._open = open_task("pose landmarker", path, num_poses=MAX_PEOPLE, output_segmentation_masks=True)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `segmenters.Segmenter`."""
        with self._open() as landmarker:
            return _stacked(landmarker.detect(to_frame(image)).segmentation_masks or (), image)


def _stacked(masks: Any, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    shape = (len(masks), *image.shape[:2])
    return np.array([mask.numpy_view() for mask in masks], dtype=np.float32).reshape(shape)
