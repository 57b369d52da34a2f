"""RTMPose, DWPose and YOLOX the whole way, on small ONNX files whose right answer is known."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cfld.poses.detectors import files, yolox
from cfld.poses.detectors.rtmpose import PADDING, decode_simcc
from cfld.poses.detectors.window import Window
from cfld.poses.detectors.yolox import Yolox, decode, letterbox, suppress
from cfld.poses.estimate import find_person, open_detector
from cfld.poses.formats import COCO_JOINTS
from cfld.poses.skeleton import JOINTS
from support.onnx_models import colours, constant, dot_finder

SIZE = (128, 96)
"""Of the small pose networks' input."""
GREY = 128


def joints_in(box: tuple[float, float, float, float], seed: int = 0) -> NDArray[np.float64]:
    """(17, 2), far enough from each other for dots."""
    rng = np.random.default_rng(seed)
    cells = rng.permutation([(i, j) for i in range(6) for j in range(4)])[:17]
    top, left, bottom, right = box
    return np.array([top, left]) + (cells + 0.5) / (6, 4) * (bottom - top, right - left)


def dotted(image: NDArray[np.uint8], yx: NDArray[np.float64], radius: int, but: tuple[str, ...] = ()) -> None:
    for name, (y, x), colour in zip(COCO_JOINTS, yx, colours(17).tolist(), strict=True):
        if name not in but:
            cv2.circle(image, (round(float(x)), round(float(y))), radius, colour, -1)


def grey(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), GREY, dtype=np.uint8)


def as_openpose(yx: NDArray[np.float64]) -> NDArray[np.float64]:
    where = {name: yx[i] for i, name in enumerate(COCO_JOINTS)}
    where["neck"] = (where["left_shoulder"] + where["right_shoulder"]) / 2
    return np.array([where[name] for name in JOINTS])


@pytest.mark.parametrize("count", [17, 133])
@pytest.mark.parametrize("shape", [(320, 240), (240, 320), (500, 200)])
def test_dots_are_found_where_they_are(tmp_path: Path, count: int, shape: tuple[int, int]) -> None:
    """Crop, colour order, normalisation, decoding, way back, order of the joints."""
    image, truth = grey(*shape), joints_in((0.0, 0.0, *map(float, shape)))
    pixel = Window.around((0.0, 0.0, *map(float, shape)), SIZE, PADDING).height / SIZE[0]
    dotted(image, truth, round(4.5 * pixel))
    detector = open_detector("rtmpose", dot_finder(tmp_path / "pose.onnx", SIZE, count), confidence=0.1)
    (person,) = detector(image)
    assert person.keypoints.visible.all()
    assert person.keypoints.frame == shape
    assert person.box == (0, 0, *shape)
    np.testing.assert_allclose(person.keypoints.yx, as_openpose(truth), atol=2.5 * pixel)


def test_half_a_person_is_half_a_person(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image, truth = grey(320, 240), joints_in((0.0, 0.0, 320.0, 240.0))
    dotted(image, truth, 15, but=("left_ankle", "right_ankle", "right_shoulder"))
    detector = open_detector("rtmpose", dot_finder(tmp_path / "pose.onnx", SIZE), confidence=0.1)
    with caplog.at_level(logging.WARNING):
        person = find_person(detector, image, "photo.jpg")
    assert person.missing == ["neck", "right_shoulder", "right_ankle", "left_ankle"]
    assert (person.keypoints.yx[~person.keypoints.visible] == -1).all()
    assert "photo.jpg: not seen, so missing: neck, right_shoulder" in caplog.text


def test_nobody_is_told(tmp_path: Path) -> None:
    detector = open_detector("rtmpose", dot_finder(tmp_path / "pose.onnx", SIZE))
    assert detector(grey(200, 100)) == []
    with pytest.raises(ValueError, match=r"photo.jpg: nobody found"):
        find_person(detector, grey(200, 100), "photo.jpg")


LARGE, SMALL = (40.0, 20.0, 300.0, 190.0), (60.0, 220.0, 240.0, 330.0)


def two_people() -> NDArray[np.uint8]:
    image = grey(320, 352)
    for box in (LARGE, SMALL):
        dotted(image, joints_in(box, seed=round(box[0])), round(4.5 * (box[2] - box[0]) * PADDING / SIZE[0]))
    return image


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
def test_each_person_in_a_box_of_their_own(tmp_path: Path, caplog: pytest.LogCaptureFixture, form: str) -> None:
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
    assert "street.jpg: 2 people, the largest is taken" in caplog.text
    for person, box in ((largest, LARGE), (find_person(detector, image, "street.jpg", 2), SMALL)):
        pixel = (box[2] - box[0]) * PADDING / SIZE[0]
        np.testing.assert_allclose(person.box, box, atol=0.5)
        truth = as_openpose(joints_in(box, seed=round(box[0])))
        np.testing.assert_allclose(person.keypoints.yx, truth, atol=2.5 * pixel)
    with pytest.raises(ValueError, match=r"street.jpg: there is no person 3"):
        find_person(detector, image, "street.jpg", 3)


def test_a_detector_that_finds_nobody(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("box", [(10.0, 20.0, 210.0, 60.0), (10.0, 20.0, 40.0, 260.0)])
def test_the_window_is_the_published_one(box: tuple[float, float, float, float]) -> None:
    """Centre of the box, 1.25 times its sides, then the shorter side widened to 3:4 (MMPose, TopdownAffine)."""
    window = Window.around(box, (256, 192), PADDING)
    width, height = (box[3] - box[1]) * 1.25, (box[2] - box[0]) * 1.25
    expected = (width, width / 0.75) if width > height * 0.75 else (height * 0.75, height)
    assert (window.width, window.height) == pytest.approx(expected)
    middle = window.top + window.height / 2, window.left + window.width / 2
    assert middle == pytest.approx(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
    centre = window.to_pil(np.array([[128.0, 96.0]]), (256, 192))
    np.testing.assert_allclose(centre, [middle])


def test_the_cut_and_the_way_back_agree() -> None:
    image = grey(300, 200)
    image[217, 101] = 255
    window = Window(200.0, 80.0, 64.0, 48.0)
    cut = window.cut(image, (128, 96), cv2.BORDER_CONSTANT)
    y, x = np.unravel_index(cut[..., 0].argmax(), cut.shape[:2])
    np.testing.assert_allclose(window.to_pil(np.array([y, x]), (128, 96)), (217, 101), atol=0.5)


def test_yolox_letterboxes_top_left_on_grey_in_opencvs_order() -> None:
    image = np.zeros((50, 100, 3), dtype=np.uint8)
    image[:] = (10, 20, 30)
    padded = letterbox(image, (64, 64), 0.64)
    assert (padded[:32] == (30, 20, 10)).all()
    assert (padded[32:] == 114).all()


def test_yolox_cells_of_every_stride() -> None:
    """The centre of a raw zero is its cell's corner, its size the stride; rows run stride by stride, row by row."""
    boxes, scores = decode(np.zeros((84, 6), dtype=np.float32), (64, 64))
    assert (scores == 0).all()
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    for row, (x, y, stride) in {0: (0, 0, 8), 9: (1, 1, 8), 64: (0, 0, 16), 70: (2, 1, 16), 83: (1, 1, 32)}.items():
        np.testing.assert_allclose(centres[row], (x * stride, y * stride))
        np.testing.assert_allclose(sizes[row], stride)


def test_doubles_of_a_person_are_left_out() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [40, 0, 50, 10]], dtype=float)
    assert suppress(boxes, np.array([0.5, 0.9, 0.4, 0.29])) == [1, 2]


def test_files_that_are_no_such_network_are_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    pose, other = (
        dot_finder(tmp_path / "pose.onnx", SIZE),
        constant(tmp_path / "c.onnx", SIZE, np.zeros((1, 3, 5), "f")),
    )
    for path, told in ((broken, "no ONNX model"), (other, "expected simcc_x and simcc_y")):
        with pytest.raises(ValueError, match=told) as error:
            open_detector("rtmpose", path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"no YOLOX model's.*\(1, 84, 5 \+ classes\)"):
        Yolox(constant(tmp_path / "d.onnx", (64, 64), np.zeros((1, 3, 7), "f")))(grey(9, 9))
    wrong = dot_finder(tmp_path / "wrong.onnx", SIZE, joints=26)
    with pytest.raises(ValueError, match=r"\(1, 26, 192\).*\(1, 17, 192\)"):
        open_detector("rtmpose", wrong)(grey(50, 50))
    with pytest.raises(ValueError, match="--detector is of the backend rtmpose"):
        open_detector("mannequin", boxes=pose)
    with pytest.raises(ValueError, match="confidence"):
        open_detector("rtmpose", pose, confidence=1.5)


def test_a_model_file_that_is_not_there_is_named_with_its_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match=r"mine.onnx: no such file.*dw-ll_ucoco_384.onnx.*Apache-2.0"):
        open_detector("rtmpose", tmp_path / "mine.onnx")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(files, "DWPOSE", unreachable(files.DWPOSE))
    with pytest.raises(
        FileNotFoundError, match=r"put the file there.*--model.*134 MB.*Apache-2.0.*SHA-256 724f"
    ) as error:
        open_detector("rtmpose")
    assert str(tmp_path / "hub" / "checkpoints" / "dw-ll_ucoco_384.onnx") in str(error.value)


def test_a_download_is_kept_once_it_is_the_right_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    published = dot_finder(tmp_path / "published.onnx", SIZE)
    fields = {**vars(files.DWPOSE), "url": published.as_uri()}
    with pytest.raises(FileNotFoundError, match="invalid hash"):
        files.obtain(files.ModelFile(**fields))
    digest = "".join(f"{byte:02x}" for byte in sha256(published))
    path = files.obtain(files.ModelFile(**{**fields, "sha256": digest}))
    published.unlink()
    assert files.obtain(files.ModelFile(**{**fields, "sha256": digest})) == path
    assert path.parent == tmp_path / "cache" / "hub" / "checkpoints"


def sha256(path: Path) -> bytes:
    import hashlib

    return hashlib.sha256(path.read_bytes()).digest()


def unreachable(file: files.ModelFile) -> files.ModelFile:
    return files.ModelFile(**{**vars(file), "url": "http://127.0.0.1:9/none.onnx"})
