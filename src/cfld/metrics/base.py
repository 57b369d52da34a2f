"""The kinds of metrics. Each row of `registry.METRICS` names an object of one of these classes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cfld.metrics.protocols import Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cfld.metrics.weights import Loaded
    from cfld.poses.keypoints import Keypoints

ImageArray: TypeAlias = NDArray[np.floating[Any]]
"""(3, H, W), in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A column of the results table; this class by itself for metrics that are computed from more than one image.

    Attributes:
        title: the table's heading.
        digits: decimal places in tables.
        in_protocol: whether tables of a protocol have the column even if its values are missing.
    """

    title: str
    higher_is_better: bool
    digits: int = 4
    in_protocol: Callable[[Protocol], bool] = lambda _: True

    @property
    def label(self) -> str:
        """The title, with an arrow that points to better values."""
        return f"{self.title} {'↑' if self.higher_is_better else '↓'}"

    def format(self, value: float | None) -> str:
        """The value with `digits` decimal places; "-" if there is none."""
        if value is None or math.isnan(value):
            return "-"
        return "+∞" if math.isinf(value) else f"{value:.{self.digits}f}"


@dataclass(frozen=True, kw_only=True)
class ImageMetric(Metric):
    """A function of a true and a generated image.

    Attributes:
        compute: (truth, prediction, protocol) -> value; called where `in_protocol`.
    """

    compute: Callable[[ImageArray, ImageArray, Protocol], float]


@dataclass(frozen=True, kw_only=True)
class NetworkMetric(Metric):
    """A function of true and generated images that needs a network with published weights.

    Attributes:
        load: folder of weight files, or None for the default one -> the network; called where `in_protocol`.
        compute: (network, truth, prediction, protocol) -> (B,), of two (B, 3, H, W) in [0, 1].
    """

    load: Callable[[Path | None], Loaded]
    compute: Callable[[nn.Module, Tensor, Tensor, Protocol], Tensor]


@dataclass(frozen=True, kw_only=True)
class PoseMetric(Metric):
    """A function of the target pose and the pose that a detector found in the generated image.

    Attributes:
        compute: (target, detected) -> value, NaN if it is undefined.
    """

    in_protocol: Callable[[Protocol], bool] = lambda _: False
    compute: Callable[[Keypoints, Keypoints], float]
