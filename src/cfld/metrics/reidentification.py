"""Rank-1 and mean average precision of person re-identification (Zheng et al., ICCV 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfld.metrics.identity_retrieval import retrieve
from cfld.types import DISTRACTOR, JUNK


@dataclass(frozen=True, eq=False)
class ReidImages:
    """The images of a query or a gallery.

    Attributes:
        features: (N, D), of unit length.
        identities: int (N,), from 1; 0 = a distractor, -1 = junk.
        cameras: int (N,).
    """

    features: NDArray[np.floating[Any]]
    identities: NDArray[np.int64]
    cameras: NDArray[np.int64]


@dataclass(frozen=True)
class ReidScore:
    """
    Attributes:
        rank_1: fraction of the queries whose most similar image shows their person.
        mean_average_precision: mean over the queries of the mean precision at each image of their person.
        queries: number of queries that count: of a person whom another camera sees too.
    """

    rank_1: float
    mean_average_precision: float
    queries: int


def reidentification(query: ReidImages, gallery: ReidImages) -> ReidScore:
    """Ranks the gallery by cosine similarity to each query.

    Not ranked at all are junk and the images of the query's person by the query's own camera. Distractors are wrong.

    Raises:
        ValueError: if no query counts.
    """
    results = []
    for features, identity, camera in zip(query.features, query.identities, query.cameras, strict=True):
        own = gallery.identities == identity
        ranked = (gallery.identities != JUNK) & ~(own & (gallery.cameras == camera))
        if identity not in (JUNK, DISTRACTOR) and own[ranked].any():
            results.append(retrieve(features, gallery.features[ranked], own[ranked]))
    if not results:
        raise ValueError("no image of the gallery shows the person of a query by another camera")
    precision = np.mean([result.average_precision for result in results])
    return ReidScore(float(np.mean([result.rank_1 for result in results])), float(precision), len(results))
