"""The pose network as a pose detector."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cfld.mannequin.networks import load_network
from cfld.mannequin.pose_network.network import INPUT_SIZE, PoseNetwork, locate
from cfld.poses.detectors.window import Window
from cfld.poses.keypoints import Keypoints
from cfld.poses.people import Person, joint_box

logger = logging.getLogger(__name__)

BUNDLED: Final = Path(__file__).parents[2] / "assets" / "mannequin-pose"
MANNEQUINS_ONLY: Final = "the bundled pose network detects mannequins only; for photographs leave out --backend"
PADDING: Final = 1.3
"""Size of the second window relative to the box of the joints found in the first; as in the training images."""
MIN_JOINTS: Final = 4
MIN_SCORE: Final = 0.6
"""A person has at least `MIN_JOINTS` joints with this score: a few joints are found in any image."""
CERTAIN_SCORE: Final = 0.5
CERTAIN_SHIFT: Final = 0.016
"""What is certainly a mannequin has at least this mean score of the joints, and in a further pass around the person its
joints move by at most this fraction of its height, in the median. In photographs they move anywhere (docs/poses.md)."""


class MannequinDetector:
    """Detects one mannequin in an image in two passes: over the whole image, then around the joints found."""

    def __init__(self, model: Path | None, confidence: float, certain: bool = False) -> None:
        """
        Args:
            model: folder of a network that `cfld pose-net train` wrote; None = the bundled one, with a warning unless
                `certain`.
            confidence: joints with a lower score are missing.
            certain: detect only what is certainly a mannequin, and nothing in photographs.

        Raises:
            ValueError: if the folder holds no pose network; the message names it.
        """
        if model is None and not certain:
            logger.warning(MANNEQUINS_ONLY)
        self._network, self._confidence = load_network(PoseNetwork, model or BUNDLED), confidence
        self._certain = certain

    def __call__(self, image: NDArray[np.uint8]) -> list[Person]:
        """See `estimate.Detector`; returns at most one person."""
        height, width = image.shape[:2]
        first = self._detect(image, Window.around((0.0, 0.0, float(height), float(width)), INPUT_SIZE, 1.0))
        if first is None:
            return []
        second = self._detect(image, Window.around(first.box, INPUT_SIZE, PADDING))
        if self._certain and (second is None or not self._is_mannequin(image, second)):
            return []
        return [second or first]

    def _is_mannequin(self, image: NDArray[np.uint8], person: Person) -> bool:
        """Whether a further pass finds the same person, as it does with mannequins only."""
        again = self._detect(image, Window.around(person.box, INPUT_SIZE, PADDING))
        if again is None or again.scores.mean() < CERTAIN_SCORE:
            return False
        both = person.keypoints.visible & again.keypoints.visible
        moved = np.linalg.norm(person.keypoints.yx[both] - again.keypoints.yx[both], axis=1)
        height = max(again.box[2] - again.box[0], 1.0)
        return moved.size >= MIN_JOINTS and float(np.median(moved)) <= CERTAIN_SHIFT * height

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
