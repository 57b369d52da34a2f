"""RTMPose and DWPose with YOLOX on small ONNX files whose right answer is known."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cfld.poses.detectors import yolox
from cfld.poses.detectors.rtmpose import PADDING, decode_simcc
from cfld.poses.detectors.window import Window
from cfld.poses.estimate import find_person, open_detector
from support.dotted_people import LARGE, SIZE, SMALL, as_openpose, draw_dots, grey, joints_in, two_people
from support.onnx_models import constant, dot_finder


@pytest.mark.parametrize("count", [17, 133])
@pytest.mark.parametrize("shape", [(320, 240), (240, 320), (500, 200)])
def test_dots_are_found_where_they_are(tmp_path: Path, count: int, shape: tuple[int, int]) -> None:
    """Crop, colour order, normalisation, decoding, way back, order of the joints."""
    image, truth = grey(*shape), joints_in((0.0, 0.0, *map(float, shape)))
    pixel = Window.around((0.0, 0.0, *map(float, shape)), SIZE, PADDING).height / SIZE[0]
    draw_dots(image, truth, round(4.5 * pixel))
    detector = open_detector("rtmpose", dot_finder(tmp_path / "pose.onnx", SIZE, count), confidence=0.1)
    (person,) = detector(image)
    assert person.keypoints.visible.all()
    assert person.keypoints.frame == shape
    assert person.box == (0, 0, *shape)
    np.testing.assert_allclose(person.keypoints.yx, as_openpose(truth), atol=2.5 * pixel)


def test_joints_that_are_not_found_are_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image, truth = grey(320, 240), joints_in((0.0, 0.0, 320.0, 240.0))
    draw_dots(image, truth, 15, but=("left_ankle", "right_ankle", "right_shoulder"))
    detector = open_detector("rtmpose", dot_finder(tmp_path / "pose.onnx", SIZE), confidence=0.1)
    with caplog.at_level(logging.WARNING):
        person = find_person(detector, image, "photo.jpg")
    assert person.missing == ["neck", "right_shoulder", "right_ankle", "left_ankle"]
    assert (person.keypoints.yx[~person.keypoints.visible] == -1).all()
    assert "photo.jpg: joints not visible: neck, right_shoulder" in caplog.text


def raw_yolox(size: int, ratio: float, boxes: dict[tuple[float, ...], float], classes: int = 80) -> NDArray[np.float32]:
    """What YOLOX would say of people in these boxes (of the image): the inverse of its decoding, in stride 8."""
    sides = [size // stride for stride in yolox.STRIDES]
    output = np.zeros((1, sum(side * side for side in sides), 5 + classes), dtype=np.float32)
    output[..., 2:4] = -3
    for (top, left, bottom, right), score in boxes.items():
        y, x = (top + bottom) / 2 * ratio / 8, (left + right) / 2 * ratio / 8
        row = int(y) * sides[0] + int(x)
        sizes = np.log([(right - left) * ratio / 8, (bottom - top) * ratio / 8])
        output[0, row, :6] = [x - int(x), y - int(y), *sizes, score, 1.0]
    return output


@pytest.mark.parametrize("form", ["raw", "with boxes"])
def test_each_person_has_a_box(tmp_path: Path, caplog: pytest.LogCaptureFixture, form: str) -> None:
    ratio = 128 / 352
    double = tuple(side + 4 for side in SMALL)
    raw = raw_yolox(128, ratio, {SMALL: 0.9, double: 0.6, LARGE: 0.8, (0, 0, 30, 30): 0.2})
    boxes = [[b[1] * ratio, b[0] * ratio, b[3] * ratio, b[2] * ratio, s] for b, s in ((SMALL, 0.9), (LARGE, 0.8))]
    answer = raw if form == "raw" else np.array([boxes], dtype=np.float32)
    finder = constant(tmp_path / "boxes.onnx", (128, 128), answer)
    detector = open_detector("rtmpose", dot_finder(tmp_path / "pose.onnx", SIZE), finder, confidence=0.1)
    image = two_people()
    with caplog.at_level(logging.WARNING):
        largest = find_person(detector, image, "street.jpg")
    assert "street.jpg: 2 people, using the largest" in caplog.text
    for person, box in ((largest, LARGE), (find_person(detector, image, "street.jpg", 2), SMALL)):
        pixel = (box[2] - box[0]) * PADDING / SIZE[0]
        np.testing.assert_allclose(person.box, box, atol=0.5)
        truth = as_openpose(joints_in(box, seed=round(box[0])))
        np.testing.assert_allclose(person.keypoints.yx, truth, atol=2.5 * pixel)
    with pytest.raises(ValueError, match=r"street.jpg: there is no person 3"):
        find_person(detector, image, "street.jpg", 3)


def test_boxes_without_anybody(tmp_path: Path) -> None:
    empty = constant(tmp_path / "boxes.onnx", (128, 128), raw_yolox(128, 1.0, {}))
    detector = open_detector("rtmpose", dot_finder(tmp_path / "pose.onnx", SIZE), empty)
    with pytest.raises(ValueError, match="nobody found"):
        find_person(detector, two_people(), "street.jpg")


def test_simcc_is_decoded_by_the_published_rule() -> None:
    """Position: the highest bin over two. Score: the lower of the two heights (MMPose, get_simcc_maximum)."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 0.5, (5, 96)).astype(np.float32), rng.uniform(0, 0.5, (5, 128)).astype(np.float32)
    for joint in range(5):
        x[joint, 10 + joint], y[joint, 90 - joint] = 0.9, 0.6 + 0.1 * joint
    yx, scores = decode_simcc(x, y)
    np.testing.assert_array_equal(yx, [((90 - j) / 2, (10 + j) / 2) for j in range(5)])
    np.testing.assert_allclose(scores, [0.6, 0.7, 0.8, 0.9, 0.9])


def test_other_networks_are_refused(tmp_path: Path) -> None:
    other = constant(tmp_path / "c.onnx", SIZE, np.zeros((1, 3, 5), "f"))
    with pytest.raises(ValueError, match=r"c.onnx: expected outputs simcc_x and simcc_y") as error:
        open_detector("rtmpose", other)
    assert str(other) in str(error.value)
    assert "\n" not in str(error.value)
    wrong = dot_finder(tmp_path / "wrong.onnx", SIZE, joints=26)
    with pytest.raises(ValueError, match=r"\(1, 26, 192\).*\(1, 17, 192\)"):
        open_detector("rtmpose", wrong)(grey(50, 50))
