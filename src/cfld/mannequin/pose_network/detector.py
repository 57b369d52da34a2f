"""Joints of mannequins by the network that comes with the package."""

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
from cfld.poses.keypoints import Keypoints, Person, joint_box

logger = logging.getLogger(__name__)

MANNEQUINS_ONLY: Final = (
    "the bundled keypoint network knows mannequins only; for photographs choose --backend rtmpose or mediapipe"
)
BUNDLED: Final = Path(__file__).parents[2] / "assets" / "mannequin-pose"
PADDING: Final = 1.3
"""How much larger than the joints found at first the second look's window is: what the training images show."""
FEWEST: Final = 4
SURE: Final = 0.6
"""So many joints with such a score make a person: a few of them are found in any image."""


class MannequinDetector:
    """A pose detector for one mannequin in an image: a look at the whole, then one at the person."""

    def __init__(self, folder: Path, confidence: float) -> None:
        """
        Args:
            folder: of a network that `cfld keypoints train` wrote.
            confidence: joints with a lower score are missing.

        Raises:
            ValueError: naming the folder, when it holds no such network.
        """
        self._network, self._confidence = load_network(folder), confidence

    def __call__(self, image: NDArray[np.uint8]) -> list[Person]:
        """As `estimate.Detector`; finds at most one person."""
        whole = (0.0, 0.0, float(image.shape[0]), float(image.shape[1]))
        first = self._look(image, Window.around(whole, INPUT_SIZE, 1.0))
        if first is None:
            return []
        second = self._look(image, Window.around(first.box, INPUT_SIZE, PADDING))
        return [first if second is None else second]

    @torch.no_grad()
    def _look(self, image: NDArray[np.uint8], window: Window) -> Person | None:
        frame = image.shape[:2]
        shrink = max(window.height / INPUT_SIZE[0] / 2, 1.0)  # of larger images, linear interpolation skips rows
        if shrink > 1:
            size = (max(round(frame[1] / shrink), 1), max(round(frame[0] / shrink), 1))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        scaled = Window(*(side / shrink for side in (window.top, window.left, window.height, window.width)))
        pixels = torch.from_numpy(scaled.cut(image, INPUT_SIZE, cv2.BORDER_REPLICATE))
        maps, presence = self._network(pixels.permute(2, 0, 1)[None].float() / 127.5 - 1)
        located = locate(maps)
        scores = (presence.sigmoid() * located.share)[0].numpy()
        yx = window.to_pil(located.yx[0].numpy(), INPUT_SIZE)
        keypoints = Keypoints(np.where((scores >= self._confidence)[:, None], yx, np.nan), frame)
        if (scores >= SURE).sum() < FEWEST or not keypoints.visible.any():
            return None
        return Person(keypoints=keypoints, scores=scores, box=joint_box(keypoints))


def open_mannequin(model: Path | None, boxes: Path | None, confidence: float) -> MannequinDetector:  # noqa: ARG001
    """The bundled network, with a warning that it knows mannequins only, or the folder of another one."""
    if model is None:
        logger.warning(MANNEQUINS_ONLY)
    return MannequinDetector(model or BUNDLED, confidence)
