"""The tubes of a body: they join, and clothes are wider than what they cover."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cfld.mannequin.drawing import figure
from cfld.mannequin.drawing.body import BodyPose, place_joints
from cfld.mannequin.drawing.identity import sample_identity

PERSON = sample_identity(3)
BODY = place_joints(PERSON, BodyPose())


def arm(ease: tuple[float, float, float]) -> figure.Tube:
    return figure.limb(BODY, "left", "upper_arm", figure.UPPER_ARM, 1.0, ease, v_start=0.4)


def test_a_limb_runs_from_joint_to_joint() -> None:
    tube = arm((0.0, 0.0, 0.0))
    np.testing.assert_array_equal(tube.start, BODY.points["left_shoulder"])
    np.testing.assert_array_equal(tube.end, BODY.points["left_elbow"])
    assert tube.length == pytest.approx(PERSON.proportions.upper_arm)
    np.testing.assert_allclose(tube.widths, np.interp(tube.stations, *figure.UPPER_ARM) * BODY.scale)


def test_cloth_widens_the_covered_part_only() -> None:
    bare, clothed = arm((0.0, 0.0, 0.0)), arm((0.5, 0.01, 0.01))
    wider = clothed.widths - np.interp(clothed.stations, bare.stations, bare.widths)
    assert (wider[clothed.stations <= 0.5] > 0.009 * BODY.scale).all()
    np.testing.assert_allclose(wider[clothed.stations > 0.54], 0, atol=1e-3 * BODY.scale)


def test_garment_coordinates_can_be_continued() -> None:
    assert arm((0.0, 0.0, 0.0)).v_start == 0.4


def test_the_torso_ends_at_the_hem() -> None:
    short, long = (
        figure.torso(replace(PERSON, upper=replace(PERSON.upper, hem=hem)), BODY, 0.0) for hem in (0.72, 1.08)
    )
    assert short.end[1] < BODY.points["pelvis"][1] < long.end[1]
    assert short.length == pytest.approx(0.72 * PERSON.proportions.torso)


def test_a_skirt_holds_both_legs_in_a_stride() -> None:
    person = replace(PERSON, lower=replace(PERSON.lower, kind="skirt", length=0.6, flare=0.02))
    poses = [BodyPose(left_leg=(3, swing, 2, swing), right_leg=(3, -swing, 2, -swing)) for swing in (0.0, 25.0)]
    still, stride = (figure.skirt(person, place_joints(person, pose)) for pose in poses)
    assert stride.depths[-1] > 1.5 * still.depths[-1]


@pytest.mark.parametrize("side", ["left", "right"])
def test_hands_and_shoes_are_at_their_ends(side: str) -> None:
    np.testing.assert_array_equal(figure.hand(BODY, side).start, BODY.points[f"{side}_wrist"])
    np.testing.assert_array_equal(figure.shoe(BODY, side, "boots").end, BODY.points[f"{side}_toes"])
