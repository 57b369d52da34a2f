"""Keypoint files of other programs, recognised by what is in them."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cfld.poses.formats import load_keypoints, load_people
from cfld.poses.keypoints import Keypoints, save_keypoints
from cfld.poses.skeleton import JOINTS
from support.pose_files import (
    CANVAS,
    COCO_17,
    FRAME,
    HEADLESS,
    OPENPOSE_18,
    OPENPOSE_25,
    SHARES,
    WITH_SIZE,
    WITHOUT_SIZE,
    YX,
    flat,
    triples,
    write_pose_file,
)


def openpose(order: Sequence[str], yx: np.ndarray = YX, missing: tuple[int, ...] = ()) -> list[float]:
    joints = triples(order, yx)
    joints[list(missing)] = 0
    return flat(joints)


def coco(yx: np.ndarray = YX, missing: tuple[int, ...] = ()) -> list[float]:
    joints = triples(COCO_17, yx, score=2)
    joints[list(missing), 2] = 0
    return flat(joints)


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "people.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


PERSON_25 = {"pose_keypoints_2d": openpose(OPENPOSE_25)}
PERSON_18 = {"pose_keypoints_2d": openpose(OPENPOSE_18)}
SHARED = {"pose_keypoints_2d": openpose(OPENPOSE_18, SHARES)}
IMAGES = [{"id": 7, "height": FRAME[0], "width": FRAME[1], "file_name": "a.jpg"}]


@pytest.mark.parametrize("name", [*WITH_SIZE, *WITHOUT_SIZE])
def test_every_format_gives_the_same_pose(tmp_path: Path, name: str) -> None:
    path = write_pose_file(tmp_path, name)
    pose = load_keypoints(path, frame=(300, 300) if name in WITH_SIZE else FRAME)
    head = [JOINTS.index(joint) for joint in ("nose", "right_eye", "left_eye", "right_ear", "left_ear")]
    missing = head if name in HEADLESS else []
    assert pose.frame == FRAME
    assert np.flatnonzero(~pose.visible).tolist() == sorted(missing)
    np.testing.assert_allclose(np.delete(pose.yx, missing, axis=0), np.delete(YX, missing, axis=0), rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in WITHOUT_SIZE if not name.startswith(("bare", "own"))])
def test_a_file_without_the_size_of_its_image_asks_for_it(tmp_path: Path, name: str) -> None:
    path = write_pose_file(tmp_path, name)
    with pytest.raises(ValueError, match=r"size.*--frame HEIGHT WIDTH") as error:
        load_keypoints(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("content", [[{"keypoints": coco()}], {"keypoints": coco()}, {"people": [PERSON_25]}])
def test_without_an_image_size_the_frame_is_the_callers(tmp_path: Path, content: Any) -> None:
    path = written(tmp_path, content)
    assert load_keypoints(path, frame=(500, 700)).frame == (500, 700)
    with pytest.raises(ValueError, match=r"no image size.*256 x 176.*--frame"):
        load_keypoints(path)


@pytest.mark.parametrize("order", [OPENPOSE_25, OPENPOSE_18])
def test_joints_that_openpose_did_not_find_are_missing(tmp_path: Path, order: list[str]) -> None:
    person = {"pose_keypoints_2d": openpose(order, missing=(7, 0))}
    pose = load_keypoints(written(tmp_path, {"people": [person], **CANVAS}))
    assert [JOINTS[i] for i in np.flatnonzero(~pose.visible)] == ["nose", "left_wrist"]


@pytest.mark.parametrize(("side", "number"), [("left_shoulder", 5), ("right_shoulder", 6)])
def test_the_neck_is_missing_where_a_shoulder_is(tmp_path: Path, side: str, number: int) -> None:
    content = {"annotations": [{"keypoints": coco(missing=(number,)), "image_id": 7}], "images": IMAGES}
    pose = load_keypoints(written(tmp_path, content))
    assert {JOINTS[i] for i in np.flatnonzero(~pose.visible)} == {side, "neck"}


def people(tmp_path: Path) -> Path:
    small, large = YX * 0.5 + 3, YX
    rows = [{"pose_keypoints_2d": openpose(OPENPOSE_18, yx)} for yx in (small, large)]
    return written(tmp_path, {"people": [*rows, {"pose_keypoints_2d": []}], **CANVAS})


def test_the_largest_of_several_is_used_and_the_others_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = people(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert np.ptp(load_keypoints(path).yx[:, 0]) == np.ptp(YX[:, 0])
    assert "2 people, using the largest" in caplog.text
    assert "--person K" in caplog.text
    assert "1: 18 joints in rows 20 to 360" in caplog.text
    assert "2: 18 joints in rows 13 to 183" in caplog.text
    caplog.clear()
    assert np.ptp(load_keypoints(path, person=2).yx[:, 0]) == np.ptp(YX[:, 0]) / 2
    assert caplog.text == ""
    for person in (0, 3):
        with pytest.raises(ValueError, match=f"no person {person}, there are 2"):
            load_keypoints(path, person=person)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"people": []}, "nobody found"),
        ({"people": [{"pose_keypoints_2d": [0.0] * 75}], **CANVAS}, "nobody found"),
        ({"annotations": []}, "nobody found"),
        ({"people": [{"pose_keypoints_2d": [1.0] * 42}]}, "person 1 has 14 joints; expected 15 or 18 or 25"),
        ({"people": [{"pose_keypoints_2d": [1.0] * 44}]}, "x, y, confidence"),
        ({"people": [{"pose_keypoints_2d": ["a", 1, 2]}]}, "x, y, confidence"),
        ({"people": [SHARED]}, "size is missing"),
        ([{"keypoints": coco(yx=YX / FRAME)}], "fractions of an image, but its size is missing"),
        ((YX / FRAME).tolist(), "fractions of an image"),
        ({"frame": FRAME, "keypoints": (YX / FRAME * 2 - 1).tolist()}, "neither pixels nor fractions"),
        ({"people": [PERSON_18], "canvas_height": 10**9, "canvas_width": 3}, "a frame is"),
        ("name:keypoints_y:keypoints_x\na.jpg:" + ":".join([str([0.5] * 18)] * 2), "a.jpg.*fractions"),
        ({"people": [PERSON_18], "canvas_height": "tall", "canvas_width": 3}, "'tall'"),
        ({"annotations": [{"keypoints": [1, 2, 3] * 5}]}, "annotation 1 has 5 joints"),
        ({"annotations": {"keypoints": 1}}, "must be lists"),
        ({"shapes": []}, "an object with the keys 'shapes', .*OpenPose.*COCO.*MediaPipe.*npz.*CSV"),
        ([{"a": 1, "b": 2}] * 3, "a list whose first item is an object with the keys 'a', 'b', .*OpenPose"),
        ({}, "an empty object"),
        ({"version": "ap10k", "animals": []}, "'animals'"),
        ([], "nobody found"),
        ([[1, 2, 3]], "18 joints"),
        ("", "not JSON"),
        ("a README\n", "text that begins with 'a README', .*OpenPose"),
        ("0 0.5 0.5 0.1 0.1 1 2 3", "line 1 has 8 numbers; Ultralytics"),
        ([{"keypoints": [[1, 2]] * 17, "keypoint_scores": [1]}], "person 1 has 17 joints of x, y, but 1 scores"),
        ([{"keypoints": [[1, 2]] * 14, "keypoint_scores": [1] * 14}], "person 1 has 14 joints; expected 17 or 26"),
        ([{"keypoints": {"x": [1], "y": [1, 2]}}], "person 1 has 1 x, 2 y"),
        ({"pose_landmarks": [{"x": "a", "y": 1}] * 33}, "landmarks of person 1: expected numbers"),
        ({"width": 5, "height": 5, "keypoints": [[1, 2]] * 17}, "has 17 joints; expected 18 for each person"),
        ("name:keypoints_y:keypoints_x\na.jpg:[1]", "line 2"),
        ("name:keypoints_y:keypoints_x\na.jpg:[1]:[2]", "a.jpg.*18 joints"),
        ("name:keypoints_y:keypoints_x\n", "nobody found"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ValueError, match=message) as error:
        load_keypoints(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(2), "b": np.zeros(3)}, "called \"keypoints\", got 'a', 'b'"),
        ({"keypoints": np.zeros((2, 2, 17, 3))}, r"shape \(2, 2, 17, 3\)"),
        ({"keypoints": np.zeros((17, 3), dtype="U3")}, "type <U3"),
        ({"keypoints": np.ones((14, 3))}, "person 1 has 14 joints"),
        ({"keypoints": np.ones((17, 2)), "scores": np.ones(3)}, r"scores of shape \(3,\)"),
        ({"keypoints": np.zeros((17, 3))}, "nobody found"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    path = tmp_path / "people.npz"
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message) as error:
        load_keypoints(path)
    assert str(path) in str(error.value)


def test_annotation_rows_are_read_and_several_images_need_a_number(tmp_path: Path) -> None:
    pose = Keypoints(YX.round() / 4)
    row = ":".join(("a.jpg", *pose.to_annotation()))
    path = written(tmp_path, f"name:keypoints_y:keypoints_x\n{row}\n")
    np.testing.assert_array_equal(load_keypoints(path).yx, pose.yx.round())
    path = written(tmp_path, f"name:keypoints_y:keypoints_x\n{row}\n{row.replace('a.jpg', 'b.jpg')}\n")
    assert [person.image for person in load_people(path)] == ["a.jpg", "b.jpg"]
    with pytest.raises(ValueError, match=r"several images.*--person K.*1: a.jpg.*2: b.jpg"):
        load_keypoints(path)
    assert load_keypoints(path, person=2).visible.all()


def test_own_files_round_trip(tmp_path: Path) -> None:
    pose = Keypoints(np.where(np.arange(18)[:, None] == 4, -1, YX), FRAME)
    save_keypoints(pose, tmp_path / "pose.json")
    (person,) = load_people(tmp_path / "pose.json")
    np.testing.assert_array_equal(person.keypoints.yx, pose.yx)
    assert person.missing == ["right_wrist"]


def test_a_pose_without_any_joint_is_read(tmp_path: Path) -> None:
    """Data sets hold such poses: the annotator found nobody."""
    path = written(tmp_path, {"frame": FRAME, "keypoints": [[-1, -1]] * 18})
    assert not load_keypoints(path).visible.any()
