"""`cfld pose`, and poses from images and foreign files in `cfld generate`, as people run them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.mannequin.dataset import MannequinDataset
from cfld.metrics.pose_accuracy import pck
from cfld.poses.formats import load_keypoints
from cfld.poses.keypoints import Keypoints, save_keypoints
from cfld.poses.retarget import retarget
from support.commands import error_line, process, run

QUICK = ("--steps", "1", "--device", "cpu")
PEOPLE = MannequinDataset(identities=2, poses=2, seed=21, split="test")


def image(name: str) -> Image.Image:
    return Image.fromarray(PEOPLE.image(name).permute(1, 2, 0).numpy())


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A mannequin whom no network was trained on."""
    image(PEOPLE.names[0]).save(tmp_path / "me.png")
    return tmp_path / "me.png"


@pytest.fixture
def openpose(tmp_path: Path, poses: list[Keypoints]) -> Path:
    """Two people, of whom the first is the larger."""
    people = []
    for pose, scale in ((poses[0], 2.0), (poses[1], 1.0)):
        rows = np.column_stack([pose.yx[:, ::-1] * scale, pose.visible]) * pose.visible[:, None]
        people.append({"pose_keypoints_2d": rows.ravel().tolist()})
    content = {"people": people, "canvas_height": 512, "canvas_width": 352}
    (tmp_path / "people.json").write_text(json.dumps(content))
    return tmp_path / "people.json"


def test_from_an_image_to_a_pose_file_and_a_drawing(
    tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, drawing = tmp_path / "made" / "pose.json", tmp_path / "pose.png"
    run("pose", "--image", photo, "--out", out, "--draw", drawing)
    found, truth = load_keypoints(out), PEOPLE.keypoints(PEOPLE.names[0])
    assert found.frame == (256, 176)
    assert pck(truth, found, 0.1) > 0.8
    assert capsys.readouterr().out == f"{out}: {found.visible.sum()} of 18 joints\n"
    with Image.open(drawing) as shown:
        assert shown.height == 512
        assert shown.width == 352


def test_a_turned_photograph_is_upright(tmp_path: Path, photo: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side: shown turned a quarter clockwise
    turned = tmp_path / "turned.jpg"
    Image.open(photo).transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif, quality=95)
    run("pose", "--image", photo, "--out", tmp_path / "a.json")
    run("pose", "--image", turned, "--out", tmp_path / "b.json")
    a, b = load_keypoints(tmp_path / "a.json"), load_keypoints(tmp_path / "b.json")
    assert b.frame == (256, 176)
    both = a.visible & b.visible
    assert both.sum() > 10
    np.testing.assert_allclose(a.yx[both], b.yx[both], atol=4)


def test_a_foreign_file_becomes_ours(tmp_path: Path, openpose: Path, poses: list[Keypoints]) -> None:
    out = tmp_path / "pose.json"
    run("pose", "--image", openpose, "--out", out, "--draw", tmp_path / "pose.png")
    np.testing.assert_allclose(load_keypoints(out).yx[2:14], poses[0].yx[2:14] * 2, atol=0.01)
    run("pose", "--image", openpose, "--person", 2, "--out", out)
    np.testing.assert_allclose(load_keypoints(out).yx[2:14], poses[1].yx[2:14], atol=0.01)


def test_fitted_with_its_pose(tmp_path: Path, photo: Path) -> None:
    with Image.open(photo) as image:
        wide = Image.new("RGB", (500, 300), "white")
        wide.paste(image, (250, 20))
    wide.save(tmp_path / "wide.png")
    out, fitted = tmp_path / "pose.json", tmp_path / "fitted.png"
    options = ("--out", out, "--fitted", fitted)
    run("pose", "--image", tmp_path / "wide.png", "--fit", "letterbox", *options)
    with Image.open(fitted) as image:
        pose = load_keypoints(out)
        assert pose.frame == (image.height, image.width)
        assert image.width / image.height == pytest.approx(176 / 256, abs=0.005)
    middle = (pose.yx[pose.visible][:, 1].min() + pose.yx[pose.visible][:, 1].max()) / 2
    assert middle / pose.frame[1] == pytest.approx(0.5, abs=0.02)
    mask = Image.new("L", (500, 300))
    mask.paste(255, (250, 20, 426, 276))
    mask.save(tmp_path / "mask.png")
    flat = ("--mask", tmp_path / "mask.png", "--background", 9, 8, 7)
    run("pose", "--image", tmp_path / "wide.png", *flat, *options)
    with Image.open(fitted) as image:
        assert image.size == (500, 300)
        assert image.getpixel((5, 5)) == (9, 8, 7)


def test_retargeted_and_drawn_side_by_side(tmp_path: Path, photo: Path, poses: list[Keypoints]) -> None:
    save_keypoints(poses[1].scaled((128, 88)), tmp_path / "small.json")
    run("pose", "--image", photo, "--out", tmp_path / "own.json")
    out, sheet = tmp_path / "out.json", tmp_path / "sheet.png"
    run("pose", "--image", photo, "--retarget", tmp_path / "small.json", "--out", out, "--draw", sheet)
    expected = retarget(load_keypoints(tmp_path / "own.json"), poses[1])
    np.testing.assert_allclose(load_keypoints(out).yx, expected.yx, atol=0.3)
    with Image.open(sheet) as shown:
        assert shown.width > 3 * 176


def test_an_image_is_a_target_pose(tmp_path: Path, model_folder: Path, photo: Path, openpose: Path) -> None:
    image(PEOPLE.names[3]).save(tmp_path / "other.jpg")
    out = tmp_path / "out"
    options = ("--source", photo, "--model", model_folder, *QUICK)
    run("generate", *options, "--target-pose", tmp_path / "other.jpg", openpose, "--out", out)
    assert {file.name for file in out.glob("*.png")} == {"me_to_other.png", "me_to_people.png"}


def test_own_images_in_other_poses(tmp_path: Path, model_folder: Path, photo: Path) -> None:
    out = tmp_path / "out"
    options = ("--source", photo, "--target-pose", 4, 5, "--model", model_folder, *QUICK, "--out", out)
    run("generate", *options, "--fit", "letterbox", "--retarget")
    assert {file.name for file in out.glob("*.png")} == {"me_to_mannequin4.png", "me_to_mannequin5.png"}
    assert {file.name for file in (out / "retargeted").iterdir()} == {"me_to_mannequin4.png", "me_to_mannequin5.png"}
    assert json.loads((out / "config.json").read_text())["preprocessing"]["fit"] == "letterbox"
    save_keypoints(PEOPLE.keypoints(PEOPLE.names[0]), tmp_path / "own.json")
    other = ("--out", tmp_path / "other", "--retarget", "--source-pose", tmp_path / "own.json")
    run("generate", *options[:-2], *other)


@pytest.fixture
def nobody(tmp_path: Path) -> Path:
    Image.new("RGB", (200, 300), (180, 180, 180)).save(tmp_path / "empty.png")
    return tmp_path / "empty.png"


def test_bad_input_is_told_in_one_line(
    tmp_path: Path, photo: Path, nobody: Path, openpose: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "bad.json").write_text('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}')
    out = ("--out", tmp_path / "out.json")
    onnx = ("--backend", "rtmpose", "--model")
    for arguments, expected in (
        ((nobody, *out), "empty.png: nobody found"),
        ((photo, *out, "--person", 2), "there is no person 2, there are 1"),
        ((openpose, *out, "--person", 5), "there is no person 5, there are 2"),
        ((tmp_path / "none.png", *out), "no such file"),
        ((tmp_path / "text.png", *out), "not an image"),
        ((tmp_path / "bad.json", *out), "1 joints"),
        ((photo, "--out", tmp_path / "out.txt"), "unknown file extension; use one of .json"),
        ((openpose, "--out", openpose), "is also an input"),
        ((photo, *out, "--draw", photo), "also an input"),
        ((photo, *out, "--fit", "crop"), "--fitted"),
        ((photo, *out, "--fitted", tmp_path / "f.png"), "--fit"),
        (
            (openpose, *out, "--fit", "crop", "--fitted", tmp_path / "f.png"),
            "not an image; --fitted",
        ),
        ((photo, *out, "--background", "plain"), "--background plain; give both or neither"),
        (
            (photo, *out, "--mask", nobody, "--background", "plain", "--fitted", tmp_path / "f.png"),
            "with --mask, give a colour",
        ),
        (
            (
                photo,
                *out,
                "--background",
                "plain",
                "--segmenter",
                tmp_path / "none.onnx",
                "--fitted",
                tmp_path / "f.png",
            ),
            "none.onnx: no such file",
        ),
        ((photo, *out, "--background", "grey", "--fitted", tmp_path / "f.png"), "grey"),
        ((photo, *out, "--mask", nobody, "--fitted", tmp_path / "f.png"), "mask is 300 x 200"),
        (
            (photo, *out, "--fit", "crop", "--fitted", tmp_path / "f.png", "--background", 1, 2, 300),
            "between 0 and 255",
        ),
        ((photo, *out, *onnx, tmp_path / "none.onnx"), "Apache-2.0"),
        ((photo, *out, *onnx, tmp_path / "text.png"), "not an ONNX model"),
        (
            (photo, *out, "--backend", "mannequin", "--detector", tmp_path / "text.png"),
            "no separate person detector; leave out --detector",
        ),
        ((photo, *out, "--confidence", 2), "confidence"),
        ((photo, *out, "--retarget", nobody), "nobody found"),
        ((photo, *out, "--retarget", "nothing"), "neither a file nor a number"),
    ):
        assert expected in error_line(capsys, "pose", "--image", *arguments), arguments
    assert not (tmp_path / "out.json").exists()
    assert not (tmp_path / "f.png").exists()


def test_bad_own_images_leave_nothing(
    tmp_path: Path, model_folder: Path, photo: Path, nobody: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    save_keypoints(Keypoints(np.full((18, 2), 20.0), (100, 100)), tmp_path / "square.json")
    people = tmp_path / "people"
    people.mkdir()
    for name in PEOPLE.names[:2]:
        image(name).save(people / f"{name[-14:-4]}.png")
    generate = ("generate", "--model", model_folder, "--out", out, *QUICK, "--target-pose")
    for arguments, expected in (
        ((nobody, "--source", photo), "empty.png: nobody found"),
        ((3, "--source", nobody, "--fit", "crop"), "empty.png: nobody found"),
        ((3, "--source", photo, "--fit", "crop", "--source-pose", tmp_path / "square.json"), "100 x 100"),
        ((3, "--source", people, "--retarget", "--source-pose", tmp_path / "square.json"), "there are 2 sources"),
        ((3, "--source", photo, "--fit", "letterbox", "--background", -1, 2, 3), "between 0 and 255"),
    ):
        assert expected in error_line(capsys, *generate, *arguments), arguments
    data = ("generate", "--model", model_folder, "--out", out, *QUICK, "--data", people, "--retarget")
    assert "--retarget" in error_line(capsys, *data)
    assert not out.exists()


def test_as_a_process_it_tells_on_stderr(tmp_path: Path, photo: Path) -> None:
    done = process("pose", "--image", photo, "--backend", "mannequin", "--out", tmp_path / "pose.json")
    assert done.returncode == 0
    assert "mannequins only" in done.stderr
    assert "Traceback" not in done.stderr
