"""Rank-1 and mAP of re-identification against numbers that were computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cfld.metrics.reidentification import ReidImages, ReidScore, reidentification


def images(*rows: tuple[float, int, int]) -> ReidImages:
    """Images of (angle in degrees, identity, camera): the closer two angles, the more similar."""
    angles, identities, cameras = (np.array(column) for column in zip(*rows, strict=True))
    radians = np.deg2rad(angles)
    return ReidImages(np.stack([np.cos(radians), np.sin(radians)], axis=1), identities, cameras)


GALLERY = images((1, 1, 1), (2, -1, 2), (3, 2, 2), (4, 1, 2), (5, 0, 2), (6, 1, 3), (7, 2, 1))


def test_a_made_up_set() -> None:
    """The queries' ranked lists, without junk and the own camera, + right and - wrong:
    - + - + -: (1/2 + 2/4) / 2; - - - - +: 1/5; + - - - + -: (1 + 2/5) / 2."""
    assert reidentification(images((0, 1, 1)), GALLERY) == ReidScore(0, pytest.approx(0.5), 1)
    assert reidentification(images((0, 2, 2)), GALLERY) == ReidScore(0, pytest.approx(0.2), 1)
    assert reidentification(images((8, 2, 3)), GALLERY) == ReidScore(1, pytest.approx(0.7), 1)
    together = reidentification(images((0, 1, 1), (0, 2, 2), (8, 2, 3)), GALLERY)
    assert together == ReidScore(pytest.approx(1 / 3), pytest.approx(1.4 / 3), 3)


def test_queries_that_nobody_can_answer_do_not_count() -> None:
    """A person of another set, a distractor, junk, and a person whom only the query's camera sees."""
    alone = images((0, 1, 1), (3, 3, 1), (8, 0, 1), (9, -1, 1), (2, 4, 2))
    gallery = images((1, 1, 2), (2, 4, 2), (8, 0, 2), (9, -1, 2))
    assert reidentification(alone, gallery) == ReidScore(1, 1, 1)
    with pytest.raises(ValueError, match="no image of the gallery shows the person of a query by another camera"):
        reidentification(images((2, 4, 2)), gallery)
