"""The pose network as a pose detector."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cfld.mannequin.pose_network.network import INPUT_SIZE, load_network, locate
from cfld.poses.detectors.window import Window
from cfld.poses.keypoints import Keypoints
from cfld.poses.people import Person, joint_box

logger = logging.getLogger(__name__)

BUNDLED: Final = Path(__file__).parents[2] / "assets" / "mannequin-pose"
MANNEQUINS_ONLY: Final = (
    "the bundled pose network detects mannequins only; for photographs choose --backend rtmpose or mediapipe"
)
PADDING: Final = 1.3
"""Size of the second window relative to the box of the joints found in the first; as in the training images."""
MIN_JOINTS: Final = 4
MIN_SCORE: Final = 0.6
"""A person has at least `MIN_JOINTS` joints with this score: a few joints are found in any image."""


class MannequinDetector:
    """Detects one mannequin in an image in two passes: over the whole image, then around the joints found."""

    def __init__(self, model: Path | None, confidence: float) -> None:
        """
        Args:
            model: folder of a network that `cfld pose-net train` wrote; None = the bundled one, with a warning.
            confidence: joints with a lower score are missing.

        Raises:
            ValueError: if the folder holds no pose network; the message names it.
        """
        if model is None:
            logger.warning(MANNEQUINS_ONLY)
        self._network, self._confidence = load_network(model or BUNDLED), confidence

    def __call__(self, image: NDArray[np.uint8]) -> list[Person]:
        """See `estimate.Detector`; returns at most one person."""
        height, width = image.shape[:2]
        first = self._detect(image, Window.around((0.0, 0.0, float(height), float(width)), INPUT_SIZE, 1.0))
        if first is None:
            return []
        return [self._detect(image, Window.around(first.box, INPUT_SIZE, PADDING)) or first]

    @torch.no_grad()
    def _detect(self, image: NDArray[np.uint8], window: Window) -> Person | None:
        frame = image.shape[:2]
        maps, presence = self._network(_crop(image, window).permute(2, 0, 1)[None].float() / 127.5 - 1)
        located = locate(maps)
        scores = (presence.sigmoid() * located.share)[0].numpy()
        yx = window.to_image(located.yx[0].numpy(), INPUT_SIZE)
        keypoints = Keypoints(np.where((scores >= self._confidence)[:, None], yx, np.nan), frame)
        if (scores >= MIN_SCORE).sum() < MIN_JOINTS or not keypoints.visible.any():
            return None
        return Person(keypoints=keypoints, scores=scores, box=joint_box(keypoints))


def _crop(image: NDArray[np.uint8], window: Window) -> torch.Tensor:
    """uint8 (*INPUT_SIZE, 3): the window. Large images are averaged first, as linear interpolation skips pixels."""
    shrink = max(window.height / INPUT_SIZE[0] / 2, 1.0)
    if shrink > 1:
        size = (max(round(image.shape[1] / shrink), 1), max(round(image.shape[0] / shrink), 1))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    scaled = Window(*(side / shrink for side in (window.top, window.left, window.height, window.width)))
    return torch.from_numpy(scaled.cut(image, INPUT_SIZE, cv2.BORDER_REPLICATE))
