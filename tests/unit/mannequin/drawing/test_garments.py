"""Garments: prints on their own side, sleeves and trousers over their share of a limb."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cfld.mannequin import BodyPose, render
from cfld.mannequin.drawing.garments import limb_paint
from cfld.mannequin.drawing.identity import Print
from cfld.mannequin.drawing.textures import Surface
from support.mannequins import GREY, MAGENTA, grey_identity, magenta


def test_a_chest_print_is_seen_from_the_front_only() -> None:
    person = grey_identity(chest=Print("disc", MAGENTA, size=0.045))
    front, turned, back = (magenta(render(person, BodyPose(yaw=yaw))) for yaw in (0, 55, 180))
    assert front > 200
    assert 0 < turned < 0.85 * front
    assert back == 0


def test_a_back_print_is_seen_from_the_back_only() -> None:
    person = grey_identity(back=Print("star", MAGENTA, size=0.045))
    assert magenta(render(person, BodyPose(yaw=180))) > 100
    assert magenta(render(person, BodyPose(yaw=0))) == 0


def test_cloth_covers_the_first_part_of_a_limb() -> None:
    v = np.array([0.05, 0.09, 0.16, 0.2])
    at = Surface(u=np.zeros(4), v=v, across=np.full(4, 0.001), along=0.001, radius=0.03)
    colours = limb_paint((0.8, 0.7, 0.6), GREY, cover=0.12, joint=0.5)(at)
    np.testing.assert_allclose(colours[:2], 0.5, atol=0.06)
    np.testing.assert_allclose(colours[2:], [(0.8, 0.7, 0.6)] * 2, atol=1e-6)
    bare = limb_paint((0.8, 0.7, 0.6), None, cover=0.0, joint=0.5)(at)
    np.testing.assert_allclose(bare, [(0.8, 0.7, 0.6)] * 4, atol=1e-6)


def test_sleeves_show() -> None:
    person = grey_identity(texture=replace(GREY, base=MAGENTA))
    counts = [
        magenta(render(replace(person, upper=replace(person.upper, sleeve=sleeve)), BodyPose()))
        for sleeve in (0.0, 0.5, 0.95)
    ]
    assert counts == sorted(set(counts))
