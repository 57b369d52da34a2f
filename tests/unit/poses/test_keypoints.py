import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import SearchStrategy

from cfld.poses.formats import load_keypoints
from cfld.poses.keypoints import (
    MISSING,
    Keypoints,
    as_keypoints,
    in_pixels,
    parse_annotation,
    parse_keypoints,
    save_keypoints,
)

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


@pytest.mark.parametrize(
    "frame",
    [(0, 176), (256,), (256, 176, 3), (256, 10**9), (float("inf"), 176), (float("nan"), 176), ("256", "176"), 5],
)
def test_frames_without_area_are_refused(frame: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="frame"):
        Keypoints(JOINTS, frame)  # type: ignore[arg-type]


def persons(frame: tuple[int, int]) -> SearchStrategy[np.ndarray]:
    """18 joints in pixels of a person of at least 10 % of the frame's height, up to half a frame outside of it."""
    shares = arrays(np.float64, (18, 2), elements=st.floats(-0.5, 1.5))
    return shares.map(lambda yx: yx * frame).filter(lambda yx: np.ptp(yx[:, 0]) > frame[0] / 10)


FRAMES = st.tuples(st.integers(100, 4000), st.integers(100, 4000))


@given(FRAMES.flatmap(lambda frame: st.tuples(st.just(frame), persons(frame))))
@settings(deadline=None)
def test_pixels_are_pixels(case: tuple[tuple[int, int], np.ndarray]) -> None:
    frame, yx = case
    assume(np.ptp(yx[:, 0]) > 16)
    pose = Keypoints(yx, frame)
    np.testing.assert_array_equal(in_pixels(yx, frame).yx, pose.yx)
    for other in (pose.scaled((64, 44)), pose.scaled((1, 1)), pose.mirrored(), pose.cropped(3, 4, (9, 9))):
        assert other.visible.sum() == pose.visible.sum()


@given(arrays(np.float64, (18, 2), elements=st.floats(0.01, 1)), FRAMES, st.sets(st.integers(0, 17), max_size=17))
@settings(deadline=None)
def test_fractions_are_converted_where_the_frame_is_stated_and_refused_elsewhere(
    shares: np.ndarray, frame: tuple[int, int], missing: set[int]
) -> None:
    shares[list(missing)] = -1
    known = (shares != -1).all(axis=1)
    assume((shares[known] != 1).any())
    for refused in (Keypoints, as_keypoints):
        with pytest.raises(ValueError, match=r"coordinates from .* are fractions of an image.*multiply"):
            refused(shares, frame)
    for content in (shares.tolist(), {"keypoints": shares.tolist()}):
        with pytest.raises(ValueError, match=r"me: coordinates from .* are fractions"):
            parse_keypoints(content, frame, "me")
    with pytest.raises(ValueError, match=r"row 7: coordinates from .* are fractions"):
        parse_annotation(json.dumps(shares[:, 0].tolist()), json.dumps(shares[:, 1].tolist()), frame, "row 7")
    pose = parse_keypoints({"frame": frame, "keypoints": shares.tolist()})
    assert (pose.visible == known).all()
    np.testing.assert_allclose(pose.yx[known], shares[known] * frame, rtol=1e-5)


def test_fractions_with_the_origin_in_the_middle_are_refused() -> None:
    centred = JOINTS / (256, 176) * 2 - 1
    with pytest.raises(ValueError, match="neither pixels nor fractions"):
        in_pixels(centred, (256, 176))
    with pytest.raises(ValueError, match="are fractions"):
        Keypoints(centred)


@pytest.mark.parametrize("joint", [(0, 0), (1, 0), (1, 1), (0, 175)])
def test_a_single_joint_at_the_corner_of_a_data_set_is_a_joint(joint: tuple[int, int]) -> None:
    yx = np.full((18, 2), -1)
    yx[4] = joint
    assert parse_annotation(*Keypoints(yx).to_annotation()).yx[4].tolist() == list(joint)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39, 2e6, 10**400])
def test_endless_coordinates_are_refused(value: float) -> None:
    rows = JOINTS.tolist()
    rows[3][1] = value
    with pytest.raises(ValueError, match="joints"):
        Keypoints(rows)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"me: .*joints"):
        parse_keypoints({"frame": [256, 176], "keypoints": rows}, name="me")


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
        ("{}", "an empty object"),
        ("not json", "text that begins with 'not json'"),
        ("5", "text that begins with '5'"),
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
