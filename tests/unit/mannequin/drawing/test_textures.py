"""Textures: fixed to the garment, anti-aliased, with the share of accent colour that they promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cfld.mannequin import BodyPose, Texture, render
from cfld.mannequin.drawing.identity import MOTIFS, PATTERNS, Print
from cfld.mannequin.drawing.textures import PATTERN_ALPHA, Surface, coverage, layer, print_alpha, texture_colours
from support.mannequins import MAGENTA, grey_identity

STRIPES = Texture("hoops", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), period=0.05, duty=0.4)


def test_stripes_turn_with_the_body() -> None:
    """Pinstripes are fixed to the garment: a small turn moves them, a hoop pattern stays where it is."""
    change = {}
    for pattern in ("pinstripes", "hoops"):
        person = grey_identity(texture=Texture(pattern, (0.2, 0.2, 0.2), MAGENTA, period=0.06))
        chest = [render(person, BodyPose(yaw=yaw))[75:105, 75:100].astype(int) for yaw in (0, 12)]
        change[pattern] = np.abs(chest[0] - chest[1]).mean()
    assert change["pinstripes"] > 4 * change["hoops"]


def surface(count: int = 20000) -> Surface:
    """Random points of a tube around which every pattern repeats many times."""
    rng = np.random.default_rng(0)
    u, v = rng.uniform(-np.pi, np.pi, count), rng.uniform(0, 5, count)
    return Surface(u=u, v=v, across=np.full(count, 1e-4), along=1e-4, radius=0.5)


def test_an_edge_is_half_covered_and_a_pixel_wide() -> None:
    np.testing.assert_allclose(coverage(np.array([-0.1, -0.05, 0.0, 0.05, 0.1]), 0.1), [0, 0, 0.5, 1, 1])


def test_layers_blend() -> None:
    blended = layer(np.zeros((3, 3)), (1.0, 0.5, 0.0), np.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(blended, [(0, 0, 0), (0.5, 0.25, 0), (1, 0.5, 0)])


def test_every_pattern_has_a_function_and_shows_both_colours() -> None:
    assert set(PATTERN_ALPHA) == set(PATTERNS) - {"plain"}
    for pattern in PATTERN_ALPHA:
        colours = texture_colours(replace(STRIPES, pattern=pattern), surface())
        assert (colours.min(), colours.max()) == (0, 1), pattern


@pytest.mark.parametrize("pattern", ["hoops", "diagonal"])
def test_duty_is_the_share_of_the_accent(pattern: str) -> None:
    colours = texture_colours(replace(STRIPES, pattern=pattern), surface())
    assert colours.mean() == pytest.approx(STRIPES.duty, abs=0.02)


@pytest.mark.parametrize("motif", MOTIFS[1:])
def test_motifs_lie_inside_their_size(motif: str) -> None:
    y, x = np.mgrid[-0.2:0.2:81j, -0.2:0.2:81j]
    alpha = print_alpha(Print(motif, size=0.05, digit=8), x.ravel(), y.ravel(), 1e-4).reshape(x.shape)
    assert alpha.max() == 1
    assert not alpha[np.maximum(np.abs(x) / 2.5, np.abs(y)) > 0.0501].any()


def test_digits_differ() -> None:
    y, x = np.mgrid[-1:1:41j, -1:1:41j]
    shapes = {print_alpha(Print("digit", size=1.0, digit=d), x.ravel(), y.ravel(), 0.01).tobytes() for d in range(10)}
    assert len(shapes) == 10
