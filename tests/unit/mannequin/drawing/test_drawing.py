"""The procedural people: reproducible, inside the image, and hidden where a real body would be hidden."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cfld.mannequin import BodyPose, Identity, Texture, keypoints, render, sample_body_pose, sample_identity
from cfld.mannequin.drawing.identity import Print
from cfld.mannequin.drawing.stances import ARMS
from cfld.poses.skeleton import JOINTS

SEEDS = range(12)
MAGENTA = (1.0, 0.0, 1.0)
GREY = Texture("plain", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def grey_identity(**upper: object) -> Identity:
    """A bald person in a plain grey T-shirt and trousers: nothing on it is magenta by itself."""
    who = sample_identity(3)
    plain = replace(
        who.upper, kind="t-shirt", texture=GREY, trim=GREY.base, sleeve=0.95, hem=1.0, chest=Print(), back=Print()
    )
    return replace(
        who,
        skin=(0.8, 0.7, 0.6),
        hair=replace(who.hair, style="bald"),
        upper=replace(plain, **upper),
        lower=replace(who.lower, kind="trousers", texture=GREY, belt=GREY.base, length=0.95),
        shoes=replace(who.shoes, colour=GREY.base, sole=GREY.base),
    )


def magenta(image: NDArray[np.uint8]) -> int:
    """Number of pixels that are clearly magenta."""
    red, green, blue = (image[..., channel].astype(int) for channel in range(3))
    return int(((red - green > 80) & (blue - green > 80)).sum())


def joint(who: Identity, pose: BodyPose, name: str) -> NDArray[np.float32]:
    return keypoints(who, pose).yx[JOINTS.index(name)]


def test_the_same_seeds_give_the_same_image() -> None:
    first, second = (render(sample_identity(5), sample_body_pose(7)) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.shape == (256, 176, 3)
    assert np.array_equal(first, second)
    assert sample_identity(5) == sample_identity(5)
    assert sample_body_pose(7) == sample_body_pose(7)


def test_identities_and_poses_differ() -> None:
    assert len({repr(sample_identity(seed)) for seed in SEEDS}) == len(SEEDS)
    pose = sample_body_pose(1)
    first, second = (render(sample_identity(seed), pose).astype(int) for seed in (1, 2))
    assert np.abs(first - second).max(axis=2).mean() > 5


def test_joints_and_figure_stay_inside_the_frame() -> None:
    for seed in range(60):
        who, pose = sample_identity(seed), sample_body_pose(seed)
        found = keypoints(who, pose)
        seen = found.yx[found.visible]
        assert (seen > 2).all(), f"seed {seed}: {seen.min(axis=0)}"
        assert (seen < np.array([254, 174])).all(), f"seed {seed}: {seen.max(axis=0)}"


def test_the_figure_keeps_clear_of_the_image_edges() -> None:
    for seed in SEEDS:
        image = render(sample_identity(seed), sample_body_pose(seed)).astype(int)
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert np.ptp(border, axis=1).max() <= 2, f"seed {seed}: something coloured touches the border"


def test_proportions_move_the_joints_only_moderately() -> None:
    pose = sample_body_pose(4)
    first, second = (keypoints(sample_identity(seed), pose) for seed in (1, 2))
    assert np.array_equal(first.visible, second.visible)
    assert 1 < np.abs(first.yx - second.yx).max() < 8


def test_the_person_of_a_seed_stays_the_same() -> None:
    who = sample_identity(5)
    assert (who.hair.style, who.upper.kind, who.lower.kind) == ("short", "t-shirt", "trousers")
    assert who.hair.length == pytest.approx(0.1352452)
    assert who.backdrop == pytest.approx(0.9139634)  # drawn last


def test_the_joints_do_not_tell_how_tall_somebody_is() -> None:
    heights = np.stack([keypoints(sample_identity(seed), BodyPose()).yx[:, 0] for seed in range(40)])
    for joint in ("neck", "right_ankle", "left_ankle"):
        assert np.ptp(heights[:, JOINTS.index(joint)]) < 0.1, joint


@pytest.mark.parametrize("seed", [0, 3, 8])
def test_the_figure_is_the_same_at_any_size(seed: int) -> None:
    who, pose = sample_identity(seed), sample_body_pose(seed)
    small, large = render(who, pose), render(who, pose, size=(512, 352))
    shrunk = cv2.resize(large, (176, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - small.astype(int)).mean() < 1.5
    np.testing.assert_allclose(keypoints(who, pose, (512, 352)).yx / 2, keypoints(who, pose).yx.clip(-0.5), atol=1e-3)


def test_other_aspect_ratios_centre_the_figure() -> None:
    who, pose = sample_identity(1), sample_body_pose(1)
    wide = render(who, pose, size=(256, 256))
    assert np.abs(wide[:, 40:216].astype(int) - render(who, pose).astype(int)).mean() < 4


def test_a_chest_print_is_seen_from_the_front_only() -> None:
    who = grey_identity(chest=Print("disc", MAGENTA, size=0.045))
    front, turned, back = (magenta(render(who, BodyPose(yaw=yaw))) for yaw in (0, 55, 180))
    assert front > 200
    assert 0 < turned < 0.85 * front
    assert back == 0


def test_a_back_print_is_seen_from_the_back_only() -> None:
    who = grey_identity(back=Print("star", MAGENTA, size=0.045))
    assert magenta(render(who, BodyPose(yaw=180))) > 100
    assert magenta(render(who, BodyPose(yaw=0))) == 0


def test_near_parts_hide_far_parts() -> None:
    """From the side, the near arm stands before the torso, and the torso before the far arm."""
    who = grey_identity(texture=replace(GREY, base=MAGENTA), hem=0.9)
    bare = replace(who, upper=replace(who.upper, sleeve=0.0))
    across = dict.fromkeys(("left_arm", "right_arm"), (0.0, 0.0, 0.0, 0.0))
    away = {"left_arm": (0.0, 90.0, 0.0, 90.0), "right_arm": (0.0, 90.0, 0.0, 90.0)}
    both, none = (magenta(render(bare, BodyPose(yaw=90, **arms))) for arms in (across, away))
    near = magenta(render(bare, BodyPose(yaw=90, left_arm=away["left_arm"], right_arm=across["right_arm"])))
    far = magenta(render(bare, BodyPose(yaw=90, left_arm=across["left_arm"], right_arm=away["right_arm"])))
    assert near < none - 150
    assert abs(far - none) < 20
    assert abs(both - near) < 20


def test_turning_round_swaps_the_sides() -> None:
    who = sample_identity(0)
    for name in ("shoulder", "hip", "knee"):
        front, back = (
            joint(who, BodyPose(yaw=yaw), f"left_{name}")[1] - joint(who, BodyPose(yaw=yaw), f"right_{name}")[1]
            for yaw in (0, 180)
        )
        assert front > 5
        assert back == pytest.approx(-front, abs=0.5)


@pytest.mark.parametrize(
    ("yaw", "missing"),
    [
        (0, set()),
        (180, {"nose", "left_eye", "right_eye"}),
        (90, {"left_eye", "left_ear"}),
        (-90, {"right_eye", "right_ear"}),
    ],
)
def test_the_view_hides_joints_of_the_face(yaw: float, missing: set[str]) -> None:
    found = keypoints(sample_identity(0), BodyPose(yaw=yaw))
    assert {name for name, seen in zip(JOINTS, found.visible, strict=True) if not seen} == missing


def test_stripes_turn_with_the_body() -> None:
    """Pinstripes are fixed to the garment: a small turn moves them, a hoop pattern stays where it is."""
    change = {}
    for pattern in ("pinstripes", "hoops"):
        who = grey_identity(texture=Texture(pattern, (0.2, 0.2, 0.2), MAGENTA, period=0.06))
        chest = [render(who, BodyPose(yaw=yaw))[75:105, 75:100].astype(int) for yaw in (0, 12)]
        change[pattern] = np.abs(chest[0] - chest[1]).mean()
    assert change["pinstripes"] > 4 * change["hoops"]


def test_every_arm_position_can_be_drawn() -> None:
    who = sample_identity(2)
    for limb in ARMS.values():
        for yaw in (0, 90, 180):
            assert render(who, BodyPose(yaw=yaw, left_arm=limb, right_arm=limb), size=(64, 44)).shape == (64, 44, 3)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="-1"):
        sample_identity(-1)
    with pytest.raises(ValueError, match="-2"):
        sample_body_pose(-2)
    with pytest.raises(ValueError, match="at least 16"):
        render(sample_identity(0), sample_body_pose(0), size=(256, 4))
