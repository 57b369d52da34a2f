"""The head: hair and face where they are seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cfld.mannequin import BodyPose, Identity, render
from cfld.mannequin.drawing.head import hairline
from cfld.mannequin.drawing.identity import HAIR_STYLES
from support.mannequins import MAGENTA, grey_identity, magenta


def with_hair(style: str) -> Identity:
    person = grey_identity()
    return replace(person, hair=replace(person.hair, style=style, colour=MAGENTA, length=0.2))


def hair(style: str, yaw: float) -> int:
    return magenta(render(with_hair(style), BodyPose(yaw=yaw)))


@pytest.mark.parametrize("style", sorted({*HAIR_STYLES} - {"bald"}))
def test_more_hair_is_seen_from_behind(style: str) -> None:
    assert hair(style, 180) > hair(style, 0) > 0


def test_styles_differ_in_length() -> None:
    assert 0 == hair("bald", 180) < hair("short", 180) < hair("bob", 180) < hair("long", 180)


def test_the_hairline_is_high_over_the_face_and_low_at_the_nape() -> None:
    azimuth = np.array([0.0, np.pi])
    for style in ("crop", "short", "long"):
        front, nape = hairline(with_hair(style), azimuth)
        assert front < -0.2 < 0.25 < nape


def test_eyes_are_seen_from_the_front_only() -> None:
    person = replace(grey_identity(), eyes=MAGENTA)
    front, back = (magenta(render(person, BodyPose(yaw=yaw), size=(1024, 704))) for yaw in (0, 180))
    assert front > 10
    assert back == 0
