"""Another body's pose on this body."""

from __future__ import annotations

import numpy as np
import pytest

from cfld import mannequin
from cfld.poses.keypoints import Keypoints
from cfld.poses.retarget import HIPS, NECK, PARENT, retarget, retarget_all
from cfld.poses.skeleton import JOINTS, MIRROR

FACE = [JOINTS.index(name) for name in JOINTS if name.endswith(("nose", "eye", "ear"))]
LIMBS = [joint for joint in PARENT if joint not in FACE]


def drawn(identity: int, pose: int) -> Keypoints:
    return mannequin.keypoints(mannequin.sample_identity(identity), mannequin.sample_body_pose(pose))


def standing(scale: float = 1.0, child: bool = False) -> Keypoints:
    """All bones at full length, seen from the front, both sides alike."""
    legs, head = (0.8, 1.4) if child else (1.0, 1.0)
    bones = {
        **{"nose": (-25, 0), "right_eye": (-6, -4), "left_eye": (-6, 4), "right_ear": (2, -8), "left_ear": (2, 8)},
        **{"right_shoulder": (0, -28), "left_shoulder": (0, 28), "right_elbow": (30, -28), "left_elbow": (30, 28)},
        **{"right_wrist": (32, 6), "left_wrist": (32, -6), "right_hip": (64, -12), "left_hip": (64, 12)},
        **{"right_knee": (53, -5), "left_knee": (53, 5), "right_ankle": (54, 0), "left_ankle": (54, 0)},
    }
    return built({name: np.multiply(bone, _share(name, legs, head) * scale) for name, bone in bones.items()})


def _share(name: str, legs: float, head: float) -> float:
    if name.endswith(("knee", "ankle")):
        return legs
    return head if name.endswith(("nose", "eye", "ear")) else 1.0


def built(bones: dict[str, np.ndarray], neck: tuple[float, float] = (60.0, 90.0)) -> Keypoints:
    yx = np.full((18, 2), np.nan)
    yx[NECK] = neck
    while np.isnan(yx).any():
        for joint, parent in PARENT.items():
            yx[joint] = yx[parent] + bones[JOINTS[joint]]
    return Keypoints(yx)


def bone(pose: Keypoints, joint: int) -> np.ndarray:
    return pose.yx[joint] - pose.yx[PARENT[joint]]


def lengths(pose: Keypoints) -> np.ndarray:
    return np.array([np.linalg.norm(bone(pose, joint)) for joint in PARENT])


def without(pose: Keypoints, *names: str) -> Keypoints:
    yx = pose.yx.copy()
    yx[[JOINTS.index(name) for name in names]] = -1
    return Keypoints(yx, pose.frame)


@pytest.mark.parametrize("seed", range(8))
def test_onto_oneself_is_nothing(seed: int) -> None:
    pose = drawn(seed, seed + 50)
    again = retarget(pose, pose)
    np.testing.assert_array_equal(again.visible, pose.visible)
    np.testing.assert_allclose(again.yx, pose.yx, atol=1e-3)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("scale", "shift"), [(0.4, (10, -30)), (3.0, (-200, 400))])
def test_the_targets_place_and_size_change_nothing(seed: int, scale: float, shift: tuple[int, int]) -> None:
    source, target = drawn(seed, seed), drawn(seed + 10, seed + 20)
    moved = Keypoints(np.where(target.visible[:, None], target.yx * scale + shift, np.nan), (999, 888))
    result, expected = retarget(source, moved), retarget(source, target)
    assert result.frame == source.frame
    np.testing.assert_allclose(result.yx, expected.yx, atol=2e-3)


@pytest.mark.parametrize("seed", range(4))
def test_the_directions_are_the_targets_and_the_place_is_the_sources(seed: int) -> None:
    source, target = drawn(seed, seed), drawn(seed + 10, seed + 20)
    result = retarget(source, target)
    for joint, parent in PARENT.items():
        if target.visible[[joint, parent]].all():
            a, b = bone(result, joint), bone(target, joint)
            assert a @ b == pytest.approx(np.linalg.norm(a) * np.linalg.norm(b), rel=1e-4)
    hips = list(HIPS)
    np.testing.assert_allclose(result.yx[hips].mean(axis=0), source.yx[hips].mean(axis=0), atol=1e-3)


@pytest.mark.parametrize("shown", [1.0, 0.8, 0.4, 0.1])
def test_a_bone_is_the_sources_times_the_targets_foreshortening(shown: float) -> None:
    """One forearm and one thigh point towards the viewer; their twins show how long they are."""
    source, target = standing(child=True), standing(scale=0.5)
    bones = {JOINTS[joint]: bone(target, joint) for joint in PARENT}
    turned = {"left_wrist", "right_knee"}
    result = retarget(source, built({name: b * (shown if name in turned else 1) for name, b in bones.items()}))
    for joint, (now, own) in zip(PARENT, zip(lengths(result), lengths(source), strict=True), strict=True):
        assert now == pytest.approx(own * (shown if JOINTS[joint] in turned else 1.0), rel=1e-4)


def test_both_sides_foreshortened_is_told_from_the_bodys_size() -> None:
    """Both thighs of somebody who sits and faces the viewer show a fifth of their length."""
    source = standing()
    bones = {JOINTS[joint]: bone(source, joint) for joint in PARENT}
    sitting = built({name: b * (0.2 if name.endswith("knee") else 1) for name, b in bones.items()})
    result = retarget(standing(scale=1.5), sitting)
    thigh = JOINTS.index("left_knee")
    share = np.linalg.norm(bone(result, thigh)) / np.linalg.norm(bone(standing(scale=1.5), thigh))
    assert 0.2 <= share < 0.35


def test_a_childs_pose_does_not_shrink_the_adult() -> None:
    adult, child = standing(), standing(scale=0.5, child=True)
    np.testing.assert_allclose(lengths(retarget(adult, child)), lengths(adult), rtol=1e-4)
    np.testing.assert_allclose(lengths(retarget(child, adult)), lengths(child), rtol=1e-4)


def test_it_comes_nearer_to_the_truth_than_scaling_the_pose() -> None:
    """Mannequins, whose every pose is known: the error in pixels, hips on hips."""

    def error(found: np.ndarray, truth: Keypoints, there: np.ndarray) -> float:
        moved = found + (truth.yx[list(HIPS)] - found[list(HIPS)]).mean(axis=0)
        return float(np.linalg.norm(moved - truth.yx, axis=1)[there].mean())

    retargeted, scaled = [], []
    for seed in range(30):
        identity, pose = mannequin.sample_identity(seed), mannequin.sample_body_pose(seed + 500)
        target, truth = standing_as(seed + 900, pose), mannequin.keypoints(identity, pose)
        own = mannequin.keypoints(identity, mannequin.sample_body_pose(seed + 100))
        size = (
            mannequin.place_joints(identity, pose).scale
            / mannequin.place_joints(identity, mannequin.sample_body_pose(seed + 100)).scale
        )
        there = truth.visible & target.visible
        retargeted.append(error(retarget(own, target).yx * size, truth, there))
        height = np.ptp(truth.yx[there][:, 0]) / np.ptp(target.yx[there][:, 0])
        scaled.append(error(target.yx * height, truth, there))
    assert np.mean(retargeted) < 0.75 * np.mean(scaled)


def standing_as(seed: int, pose: mannequin.BodyPose) -> Keypoints:
    """A body with a child's proportions in that pose."""
    adult = mannequin.keypoints(mannequin.sample_identity(seed), pose)
    bones = {}
    for joint in PARENT:
        there = adult.visible[[joint, PARENT[joint]]].all()
        bones[JOINTS[joint]] = bone(adult, joint) * _share(JOINTS[joint], 0.78, 1.4) * 0.6 if there else np.zeros(2)
    child = built(bones)
    return Keypoints(np.where(adult.visible[:, None], child.yx, np.nan))


def test_what_the_target_lacks_is_missing() -> None:
    source, target = standing(), without(standing(0.7), "left_wrist", "right_ankle", "nose")
    np.testing.assert_array_equal(retarget(source, target).visible, target.visible)


def test_what_the_source_lacks_is_as_long_as_its_twin() -> None:
    source = without(standing(child=True), "left_ankle", "right_elbow")
    result = retarget(source, standing(0.4))
    assert result.visible.all()
    for name in ("left_ankle", "right_elbow"):
        joint = JOINTS.index(name)
        twin = np.linalg.norm(bone(source, MIRROR[joint]))
        assert np.linalg.norm(bone(result, joint)) == pytest.approx(twin, rel=1e-4)


def test_a_joint_without_its_parent_hangs_on_the_next() -> None:
    source, target = standing(), without(standing(0.5), "left_elbow")
    result = retarget(source, target)
    wrist, shoulder = JOINTS.index("left_wrist"), JOINTS.index("left_shoulder")
    np.testing.assert_allclose(
        result.yx[wrist] - result.yx[shoulder], 2 * (target.yx[wrist] - target.yx[shoulder]), rtol=1e-4
    )


def test_a_childs_head_from_behind_is_the_adults() -> None:
    """The nose is hidden; the ears hang on the neck as far away as the adult's do."""
    adult, child = without(standing(), "nose"), without(standing(0.5, child=True), "nose")
    np.testing.assert_allclose(retarget(adult, child).yx, adult.yx, atol=0.05)


@pytest.mark.parametrize("gone", [("neck",), ("left_hip",), ("neck", "left_hip", "right_hip")])
def test_half_a_person_keeps_the_sources_place(gone: tuple[str, ...]) -> None:
    pose = without(standing(), *gone)
    np.testing.assert_allclose(retarget(pose, pose).yx, pose.yx, atol=1e-3)
    np.testing.assert_allclose(retarget(standing(), pose).yx[pose.visible], pose.yx[pose.visible], atol=1e-3)


def test_frames_of_one_body_have_one_size() -> None:
    """Seen from the side the shoulders are narrow; other frames tell how wide they are."""
    source, front = standing(), standing(0.5)
    bones = {JOINTS[joint]: bone(front, joint) for joint in PARENT}
    side = built({name: b * ((1, 0.8) if "shoulder" in name else (1, 1)) for name, b in bones.items()})
    shoulder = JOINTS.index("left_shoulder")
    alone, together = retarget(source, side), retarget_all(source, [front, side])[1]
    assert np.linalg.norm(bone(alone, shoulder)) == pytest.approx(28, rel=1e-4)
    assert np.linalg.norm(bone(together, shoulder)) == pytest.approx(0.8 * 28, rel=1e-4)


def test_poses_that_cannot_be_measured_are_refused() -> None:
    face = without(standing(), *(name for name in JOINTS if not name.endswith(("eye", "ear", "nose"))))
    for source, target in ((face, standing()), (standing(), face)):
        with pytest.raises(ValueError, match="size of the person is unknown"):
            retarget(source, target)
    legs = without(standing(), *(name for name in JOINTS if not name.endswith(("knee", "ankle"))))
    arms = without(standing(), *(name for name in JOINTS if not name.endswith(("elbow", "wrist"))))
    with pytest.raises(ValueError, match="no joint in common"):
        retarget(legs, arms)
