"""Keypoint files of other programs, recognised by what is in them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cfld.poses.coco import COCO_JOINTS
from cfld.poses.formats import BODY_25, load_keypoints, load_people
from cfld.poses.keypoints import Keypoints, save_keypoints
from cfld.poses.skeleton import JOINTS

FRAME = (480, 640)
YX = np.stack([20.0 + 20 * np.arange(18), 600.0 - 30 * np.arange(18)], axis=1)
"""No two joints alike, in rows or columns."""
OPENPOSE_25 = [
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "mid_hip",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
    "left_big_toe",
    "left_small_toe",
    "left_heel",
    "right_big_toe",
    "right_small_toe",
    "right_heel",
]
"""As OpenPose's documentation lists BODY_25."""


def where(name: str, yx: np.ndarray = YX) -> tuple[float, float]:
    y, x = yx[JOINTS.index(name)] if name in JOINTS else (1.0, 2.0)
    return float(x), float(y)


def openpose(order: list[str] | tuple[str, ...], yx: np.ndarray = YX, missing: tuple[str, ...] = ()) -> list[float]:
    rows = [(0.0, 0.0, 0.0) if name in missing else (*where(name, yx), 0.9) for name in order]
    return [number for row in rows for number in row]


def coco(yx: np.ndarray = YX, missing: tuple[str, ...] = (), v: float = 2) -> list[float]:
    return [number for name in COCO_JOINTS for number in (*where(name, yx), 0 if name in missing else v)]


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "people.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def with_neck(yx: np.ndarray = YX) -> np.ndarray:
    """COCO has no neck; it is the midpoint of the shoulders."""
    changed = yx.copy()
    changed[1] = (yx[2] + yx[5]) / 2
    return changed


IMAGES = [{"id": 7, "height": FRAME[0], "width": FRAME[1], "file_name": "a.jpg"}]
PERSON_25 = {"pose_keypoints_2d": openpose(OPENPOSE_25)}
PERSON_18 = {"pose_keypoints_2d": openpose(JOINTS)}
CANVAS = {"canvas_height": FRAME[0], "canvas_width": FRAME[1]}
SHARES = {"pose_keypoints_2d": openpose(JOINTS, YX / FRAME)}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"version": 1.3, "people": [PERSON_25], **CANVAS}, YX),
        ({"people": [PERSON_18], **CANVAS}, YX),
        ({"people": [SHARES], **CANVAS}, YX),
        ([{"people": [SHARES], **CANVAS}], YX),
        ({"annotations": [{"keypoints": coco(), "image_id": 7}], "images": IMAGES}, with_neck()),
        ({"annotations": [{"keypoints": coco(v=0.8), "image_id": 7}], "images": IMAGES}, with_neck()),
        ({"annotations": [{"keypoints": [*coco(), *[0] * 3 * 116], "image_id": 7}], "images": IMAGES}, with_neck()),
        ({"frame": FRAME, "keypoints": YX.tolist()}, YX),
        ({"annotations": [{"keypoints": coco(yx=YX / FRAME), "image_id": 7}], "images": IMAGES}, with_neck()),
        ({"frame": FRAME, "keypoints": (YX / FRAME).tolist()}, YX),
    ],
    ids=[
        "BODY_25",
        "COCO-18",
        "shares",
        "a list of images",
        "COCO",
        "COCO with scores",
        "whole body",
        "own",
        "COCO in fractions",
        "own in fractions",
    ],
)
def test_every_format_gives_the_same_pose(tmp_path: Path, content: Any, expected: np.ndarray) -> None:
    pose = load_keypoints(written(tmp_path, content))
    assert pose.frame == FRAME
    np.testing.assert_allclose(pose.yx, expected, rtol=1e-5)


@pytest.mark.parametrize("content", [[{"keypoints": coco()}], {"keypoints": coco()}, {"people": [PERSON_25]}])
def test_without_an_image_size_the_frame_is_the_callers(tmp_path: Path, content: Any) -> None:
    path = written(tmp_path, content)
    assert load_keypoints(path, frame=(500, 700)).frame == (500, 700)
    with pytest.raises(ValueError, match=r"no image size.*256 x 176.*--frame"):
        load_keypoints(path)


def test_body_25_is_that_of_openpose() -> None:
    assert tuple(OPENPOSE_25[i] for i in BODY_25) == JOINTS


@pytest.mark.parametrize("order", [OPENPOSE_25, JOINTS])
def test_joints_that_openpose_did_not_find_are_missing(tmp_path: Path, order: list[str]) -> None:
    person = {"pose_keypoints_2d": openpose(order, missing=("left_wrist", "nose"))}
    pose = load_keypoints(written(tmp_path, {"people": [person], **CANVAS}))
    assert [JOINTS[i] for i in np.flatnonzero(~pose.visible)] == ["nose", "left_wrist"]


@pytest.mark.parametrize("side", ["left_shoulder", "right_shoulder"])
def test_the_neck_is_missing_where_a_shoulder_is(tmp_path: Path, side: str) -> None:
    content = {"annotations": [{"keypoints": coco(missing=(side,)), "image_id": 7}], "images": IMAGES}
    pose = load_keypoints(written(tmp_path, content))
    assert {JOINTS[i] for i in np.flatnonzero(~pose.visible)} == {side, "neck"}


def people(tmp_path: Path) -> Path:
    small, large = YX * 0.5 + 3, YX
    rows = [{"pose_keypoints_2d": openpose(JOINTS, yx)} for yx in (small, large)]
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
        ({"people": [{"pose_keypoints_2d": [1.0] * 45}]}, "person 1 has 15 joints.*BODY_25"),
        ({"people": [{"pose_keypoints_2d": [1.0] * 44}]}, "x, y, confidence"),
        ({"people": [{"pose_keypoints_2d": ["a", 1, 2]}]}, "x, y, confidence"),
        ({"people": [SHARES]}, "canvas_height"),
        ([{"keypoints": coco(yx=YX / FRAME)}], "fractions of an image, but its size is missing"),
        ((YX / FRAME).tolist(), "fractions of an image"),
        ({"frame": FRAME, "keypoints": (YX / FRAME * 2 - 1).tolist()}, "neither pixels nor fractions"),
        ({"people": [PERSON_18], "canvas_height": 10**9, "canvas_width": 3}, "a frame is"),
        ("name:keypoints_y:keypoints_x\na.jpg:" + ":".join([str([0.5] * 18)] * 2), "a.jpg.*fractions"),
        ({"people": [PERSON_18], "canvas_height": "tall", "canvas_width": 3}, "'tall'"),
        ({"annotations": [{"keypoints": [1, 2, 3] * 5}]}, "annotation 1 has 5 joints"),
        ({"annotations": {"keypoints": 1}}, "must be lists"),
        ({"shapes": []}, 'no "keypoints".*OpenPose.*COCO.*CSV'),
        ([], "18 joints"),
        ("", "not JSON"),
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
