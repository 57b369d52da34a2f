"""Identity by retrieval: is a generated image most similar to true images of the same person? Rank-1 and mean average
precision, as in person re-identification (Zheng et al., 2015).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cfld.metrics.base import ImageArray, Metric

STRIPES: Final = 6
BINS: Final = 8

RANK_1: Final = Metric(title="Identity rank-1", higher_is_better=True, in_protocol=lambda _: False)
MEAN_AVERAGE_PRECISION: Final = Metric(title="Identity mAP", higher_is_better=True, in_protocol=lambda _: False)


@dataclass(frozen=True, kw_only=True)
class IdentityFeatures:
    """Features by which images are compared.

    Attributes:
        needs_inception: whether `extract` needs the features of Inception-v3.
        extract: (images (B, 3, H, W) in [0, 1], Inception features (B, 2048) or None) -> (B, D), of unit length.
    """

    needs_inception: bool
    extract: Callable[[ImageArray, NDArray[np.float32] | None], NDArray[np.float32]]


@dataclass(frozen=True)
class Retrieval:
    """Result of one query.

    Attributes:
        rank_1: 1 if the most similar image shows the right person, else 0.
        average_precision: over all images of the right person.
    """

    rank_1: float
    average_precision: float


def people(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Returns image name -> person. The two images of a pair show the same person, and so do chains of pairs."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for a, b in pairs:
        parent[root(a)] = root(b)
    numbers: dict[str, int] = {}
    return {name: numbers.setdefault(root(name), len(numbers)) for name in parent}


def colour_features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns square roots of colour histograms: three channels of six horizontal stripes.

    Their inner product is the mean Bhattacharyya coefficient. The features are weak, but need no weights.

    Args:
        images: (B, 3, H, W).

    Returns:
        (B, 144), of unit length.
    """
    return np.stack([_colours(image) for image in images])


def retrieve(
    query: NDArray[np.floating[Any]],
    gallery: NDArray[np.floating[Any]],
    right: NDArray[np.bool_],
) -> Retrieval:
    """Ranks the gallery by cosine similarity to the query.

    Args:
        query: features (D,).
        gallery: features (N, D), of unit length.
        right: (N,), whether an image of the gallery shows the person of the query.

    Returns:
        NaN for both values if no image of the gallery does.
    """
    if not right.any():
        return Retrieval(math.nan, math.nan)
    hits = right[np.argsort(-(gallery @ query), kind="stable")]
    ranks = np.flatnonzero(hits) + 1
    return Retrieval(float(hits[0]), float((np.arange(1, len(ranks) + 1) / ranks).mean()))


def _colours(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    stripes = [stripe for channel in image for stripe in np.array_split(channel, STRIPES)]
    counts = [np.bincount(stripe.ravel() // (256 // BINS), minlength=BINS) / stripe.size for stripe in stripes]
    return np.sqrt(np.concatenate(counts) / len(stripes)).astype(np.float32)


def _of_colours(images: ImageArray, _: NDArray[np.float32] | None) -> NDArray[np.float32]:
    return colour_features((images * 255).round().clip(0, 255).astype(np.uint8))


def _of_inception(_: ImageArray, inception: NDArray[np.float32] | None) -> NDArray[np.float32]:
    assert inception is not None
    lengths = np.linalg.norm(inception, axis=1, keepdims=True)
    unit: NDArray[np.float32] = inception / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit


COLOURS: Final = IdentityFeatures(needs_inception=False, extract=_of_colours)
INCEPTION: Final = IdentityFeatures(needs_inception=True, extract=_of_inception)
