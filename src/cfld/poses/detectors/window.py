"""The image region that a network sees, and the mapping of coordinates between the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""(top, left, bottom, right) in pixels of an image."""


@dataclass(frozen=True)
class Window:
    """A rectangle in pixels of an image; it may extend beyond the image."""

    top: float
    left: float
    height: float
    width: float

    @classmethod
    def around(cls, box: Box, size: tuple[int, int], padding: float) -> Window:
        """The smallest window with the aspect ratio of `size` that holds the box enlarged by `padding`."""
        top, left, bottom, right = box
        height, width = max(bottom - top, 1.0) * padding, max(right - left, 1.0) * padding
        height, width = max(height, width * size[0] / size[1]), max(width, height * size[1] / size[0])
        return cls((top + bottom - height) / 2, (left + right - width) / 2, height, width)

    def cut(self, image: NDArray[np.uint8], size: tuple[int, int], border: int) -> NDArray[np.uint8]:
        """Resamples the window to `size`, with linear interpolation.

        Args:
            image: uint8 (H, W, 3).
            size: (height, width) of the result.
            border: OpenCV's border mode beyond the image, for example `cv2.BORDER_CONSTANT` (black).
        """
        scale_y, scale_x = size[0] / self.height, size[1] / self.width
        affine = np.array([[scale_x, 0, -self.left * scale_x], [0, scale_y, -self.top * scale_y]])
        return np.asarray(cv2.warpAffine(image, affine, size[::-1], flags=cv2.INTER_LINEAR, borderMode=border))

    def to_image(self, yx: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float64]:
        """Maps (..., 2) pixels (y, x) of the window resampled to `size` to pixels of the image."""
        return np.asarray(yx) * (self.height / size[0], self.width / size[1]) + (self.top, self.left)
