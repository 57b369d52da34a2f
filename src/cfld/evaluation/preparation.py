"""How a protocol prepares true and generated images for comparison: resized, padded, in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cfld.data.transforms import resize, to_tensor
from cfld.metrics.protocols import Protocol
from cfld.poses.fit import ASPECT_TOLERANCE, same_aspect

SMALLEST_SIDE: Final = 32
"""Required by AlexNet's convolutions."""

LARGEST_STRETCH: Final = 1.5
"""Largest ratio of the aspect ratios of a true image and of the comparison; a square and 256:176 differ by 1.45."""

OPENCV: Final = {"opencv-linear": cv2.INTER_LINEAR, "opencv-cubic": cv2.INTER_CUBIC}

ImageArray = NDArray[np.float32]
"""(3, H, W), in [0, 1] except where OpenCV's cubic filter overshoots."""


@dataclass(frozen=True)
class Preparation:
    """Preparation of images by a protocol.

    Attributes:
        size: (height, width) at which images are compared, before any padding.

    Raises:
        ValueError: if the size is too small for the metrics, or not upright although the protocol pads to squares.
    """

    protocol: Protocol
    size: tuple[int, int]

    def __post_init__(self) -> None:
        if min(self.size) < SMALLEST_SIDE:
            raise ValueError(f"images are compared at {SMALLEST_SIDE}x{SMALLEST_SIDE} or larger, got size {self.size}")
        if self.protocol.padded and self.size[0] < self.size[1]:
            raise ValueError(f"this protocol pads upright images to squares, got size {self.size}")

    def truth(self, image: Image.Image) -> ImageArray:
        """Prepares a true image of any size.

        Raises:
            ValueError: if it would be stretched beyond recognition, as strips of several images.
        """
        aspects = image.width / image.height, self.size[1] / self.size[0]
        if max(aspects) > LARGEST_STRETCH * min(aspects):
            raise ValueError(
                f"the image is {image.height}x{image.width} and would be stretched to {self.size[0]}x{self.size[1]}"
            )
        return self._pad(self.resized_truth(image))

    def resized_truth(self, image: Image.Image) -> ImageArray:
        """Prepares a true image without padding it."""
        height, width = self.size
        if self.protocol.padded and image.width == image.height:
            left = (height - width) // 2
            image = image.resize((height, height), Image.Resampling.BICUBIC).crop((left, 0, left + width, height))
        if self.protocol.truth_resize == "bicubic":
            return _to_array(image.resize((width, height), Image.Resampling.BICUBIC))
        values = np.asarray(image, dtype=np.float32)
        resized = cv2.resize(values, (width, height), interpolation=OPENCV[self.protocol.truth_resize])
        return np.ascontiguousarray(resized.transpose(2, 0, 1)) / np.float32(255)

    def prediction(self, image: Image.Image) -> ImageArray:
        """Prepares a generated image; one of the right size is not resampled.

        Raises:
            ValueError: if the size differs and the protocol does not resize generated images, or the aspect ratio
                differs, see `check_aspect`.
        """
        if (image.height, image.width) == self.size:
            return self._pad(_to_array(image))
        if not self.protocol.prediction_resize:
            raise ValueError(
                f"the image is {image.height}x{image.width}, but this protocol does not resize generated images to "
                f"{self.size[0]}x{self.size[1]}; choose another --size or --protocol"
            )
        self.check_aspect(image)
        resized = resize(to_tensor(image).float() / 255, self.size, value_range=(0.0, 1.0))
        return self._pad((self.to_uint8(resized).float() / 255).numpy())

    def check_aspect(self, image: Image.Image) -> None:
        """Checks that a generated image can be resized: with its aspect ratio kept, or from or to the model's square.

        Raises:
            ValueError: for other images, such as strips of several side by side.
        """
        found, square = (image.height, image.width), (1, 1)
        squares = same_aspect(found, square) or same_aspect(self.size, square)
        if same_aspect(found, self.size) or (squares and found[1] <= (1 + ASPECT_TOLERANCE) * found[0] <= 3 * found[1]):
            return
        raise ValueError(
            f"the image is {found[0]}x{found[1]} and would be stretched to {self.size[0]}x{self.size[1]}; expected "
            "that aspect ratio or a square (cut a strip into its images, or choose another --size)"
        )

    def to_uint8(self, images: Tensor) -> Tensor:
        """Converts [0, 1] to uint8, truncated or rounded."""
        levels = images * 255
        return (levels if self.protocol.truncate else levels.round()).clamp(0, 255).to(torch.uint8)

    def _pad(self, image: ImageArray) -> ImageArray:
        if not self.protocol.padded:
            return image
        left = (self.size[0] - self.size[1]) // 2
        right = self.size[0] - self.size[1] - left
        return np.pad(image, ((0, 0), (0, 0), (left, right)), constant_values=1)


def _to_array(image: Image.Image) -> NDArray[Any]:
    return to_tensor(image).numpy().astype(np.float32) / np.float32(255)
