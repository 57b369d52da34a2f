import json
from pathlib import Path

import numpy as np
import pytest

from cfld.poses.formats import load_keypoints
from cfld.poses.keypoints import MISSING, Keypoints, as_keypoints, parse_annotation, save_keypoints

JOINTS = np.stack([np.arange(18) * 10 + 5, np.arange(18) * 8 + 3], axis=1).astype(np.float32)
COLUMN = json.dumps(list(range(18)))


def test_missing_joints_are_missing_in_both_coordinates() -> None:
    yx = JOINTS.copy()
    yx[3] = (-1, 40)
    yx[7] = (20, np.nan)
    pose = Keypoints(yx)
    assert np.flatnonzero(~pose.visible).tolist() == [3, 7]
    assert (pose.yx[[3, 7]] == MISSING).all()
    assert (yx[3] == (-1, 40)).all()  # the caller's array stays as it was


@pytest.mark.parametrize("shape", [(17, 2), (18, 3), (18,), (1, 18, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="18 joints"):
        Keypoints(np.zeros(shape))


@pytest.mark.parametrize("frame", [(0, 176), (256,), (256, 176, 3)])
def test_frames_without_area_are_refused(frame: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="frame"):
        Keypoints(JOINTS, frame)  # type: ignore[arg-type]


def test_scaling_there_and_back() -> None:
    yx = JOINTS.copy()
    yx[5] = -1
    pose = Keypoints(yx)
    scaled = pose.scaled((512, 88))
    np.testing.assert_allclose(scaled.yx[0], JOINTS[0] * (2, 0.5))
    assert (scaled.yx[5] == MISSING).all()
    np.testing.assert_allclose(scaled.scaled(pose.frame).yx, pose.yx, rtol=1e-6)


def test_mirroring_twice_is_nothing() -> None:
    yx = JOINTS.copy()
    yx[4] = -1
    pose = Keypoints(yx)
    mirrored = pose.mirrored()
    np.testing.assert_array_equal(mirrored.yx[7], (-1, -1))  # the right wrist was missing, now the left one is
    np.testing.assert_allclose(mirrored.yx[0], (JOINTS[0, 0], 175 - JOINTS[0, 1]))
    np.testing.assert_allclose(mirrored.mirrored().yx, pose.yx)


@pytest.mark.parametrize("joint", [(300, -20), (-2, 50), (20, 175.6), (20, 176), (-0.7, -1.004)])
def test_joints_outside_the_frame_stay_joints(joint: tuple[float, float], tmp_path: Path) -> None:
    yx = JOINTS.copy()
    yx[0] = joint
    pose = Keypoints(yx)
    save_keypoints(pose, tmp_path / "pose.json")
    changed = [pose, pose.mirrored(), pose.mirrored().mirrored(), pose.scaled((128, 88)), pose.scaled((512, 352))]
    for other in (*changed, load_keypoints(tmp_path / "pose.json"), parse_annotation(*pose.to_annotation())):
        assert other.visible.all()
    np.testing.assert_allclose(changed[2].yx[0], joint, atol=1e-5)


def test_arrays_and_keypoints_are_both_taken() -> None:
    pose = Keypoints(JOINTS, (128, 64))
    assert as_keypoints(pose) is pose
    np.testing.assert_array_equal(as_keypoints(JOINTS.tolist()).yx, JOINTS)


def test_json_round_trip(tmp_path: Path) -> None:
    pose = Keypoints(JOINTS + 0.25, (300, 200))
    save_keypoints(pose, tmp_path / "pose.json")
    loaded = load_keypoints(tmp_path / "pose.json")
    assert loaded.frame == (300, 200)
    np.testing.assert_allclose(loaded.yx, pose.yx)


def test_a_bare_list_of_pairs_is_taken(tmp_path: Path) -> None:
    (tmp_path / "pose.json").write_text(json.dumps(JOINTS.tolist()))
    assert load_keypoints(tmp_path / "pose.json").frame == (256, 176)


def test_annotation_round_trip() -> None:
    columns = Keypoints(JOINTS).to_annotation()
    np.testing.assert_array_equal(parse_annotation(*columns).yx, JOINTS)
    assert "." not in "".join(columns)


@pytest.mark.parametrize(
    ("y", "x", "message"),
    [
        ("[1, 2]", COLUMN, "18 joints, got 2 y and 18 x"),
        ("[np.int64(1), np.int64(2)]", COLUMN, "NumPy 2"),
        ("[1 2]", COLUMN, "not JSON"),
        ('{"y": 1}', COLUMN, "JSON list of numbers"),
        ('["a"]', COLUMN, "JSON list of numbers"),
    ],
)
def test_broken_annotations_are_refused(y: str, x: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"row 7.*{message}"):
        parse_annotation(y, x, name="row 7")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(JOINTS[:17].tolist()), "18 joints"),
        ("[np.int64(3)]", "NumPy 2"),
        ("{}", 'no "keypoints"'),
        ("not json", "not JSON"),
        ("5", "18 joints"),
        ("[[1, 2], [3]]", "pose.json"),
        ('{"keypoints": {"nose": 1}}', "pose.json"),
        (json.dumps({"frame": None, "keypoints": JOINTS.tolist()}), "pose.json"),
        (json.dumps({"frame": [0, 0], "keypoints": JOINTS.tolist()}), "frame"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "pose.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        load_keypoints(path)
    assert str(path) in str(error.value)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.json", tmp_path, tmp_path / "latin.json"):
        with pytest.raises(ValueError, match=r"no such file|is a folder|not a text file"):
            load_keypoints(path)
