"""`cfld animate`, as people run it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from PIL import Image, ImageSequence

from cfld import mannequin
from cfld.poses.keypoints import Keypoints, save_keypoints
from support.commands import error_line, run

QUICK = ("--steps", "1", "--device", "cpu")
FRAME = (256, 176)


def animate(*arguments: object) -> None:
    run("animate", *arguments, *QUICK)


@pytest.fixture
def folder(tmp_path: Path, poses: list[Keypoints]) -> Path:
    folder = tmp_path / "poses"
    folder.mkdir()
    for number, pose in zip((1, 2, 10), poses, strict=False):
        save_keypoints(pose, folder / f"pose{number}.json")
    return folder


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "apng"])
def test_the_walk_as_an_animated_image(tmp_path: Path, photo: Path, model_folder: Path, ending: str) -> None:
    out = tmp_path / "made" / f"walk.{ending}"
    animate("--source", photo, "--poses", "walk", "--frames", 4, "--fps", 8, "--model", model_folder, "--out", out)
    with Image.open(out) as animation:
        frames = [frame.copy() for frame in ImageSequence.Iterator(animation)]
        assert len(frames) == 4
        assert animation.info.get("loop") == 0
        assert animation.info["duration"] == pytest.approx(125, abs=5)
    settings = json.loads((tmp_path / "made" / f"walk.{ending}.json").read_text())
    assert settings["poses"] == "walk"
    assert settings["steps"] == 1


def test_a_folder_as_a_video(tmp_path: Path, photo: Path, folder: Path, model_folder: Path) -> None:
    out = tmp_path / "dance.mp4"
    animate("--source", photo, "--poses", folder, "--model", model_folder, "--batch", 2, "--out", out)
    video = cv2.VideoCapture(str(out))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 3
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert not list(tmp_path.glob(".*part*"))


def test_on_the_sources_own_body(tmp_path: Path, folder: Path, model_folder: Path) -> None:
    who, pose = mannequin.sample_identity(991), mannequin.sample_body_pose(5)
    Image.fromarray(mannequin.render(who, pose)).save(tmp_path / "drawn.png")
    own = ("--fit", "letterbox", "--retarget")
    out = tmp_path / "own.gif"
    animate("--source", tmp_path / "drawn.png", "--poses", folder, *own, "--model", model_folder, "--out", out)
    assert out.exists()


def test_bad_input_is_told_in_one_line(
    tmp_path: Path, photo: Path, folder: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nothing.json").write_text("[]")
    (tmp_path / "one.json").write_text(json.dumps([{"frame": FRAME, "keypoints": [[1, 2]] * 18}]))
    (tmp_path / "empty.json").write_text(json.dumps([{"frame": FRAME, "keypoints": [[-1, -1]] * 18}] * 2))
    (tmp_path / "empty").mkdir()
    base = ("--source", photo, "--model", model_folder)
    out = ("--out", tmp_path / "a.gif")
    for arguments, expected in (
        (("--poses", "run", *out), "run is neither a file or folder of poses nor walk"),
        (("--poses", "walk", "--frames", 1, *out), "between 2 and"),
        (("--poses", folder, "--frames", 9, *out), "9 frames requested of 3 poses"),
        (("--poses", tmp_path / "one.json", *out), "1 frames requested of 1 poses"),
        (("--poses", tmp_path / "empty", *out), "0 frames requested of 0 poses"),
        (("--poses", tmp_path / "nothing.json", *out), "nothing.json"),
        (("--poses", tmp_path / "empty.json", *out), "pose 1, all 18 joints are missing"),
        (("--poses", "walk", "--out", tmp_path / "a.avi"), "one of .gif, .webp"),
        (("--poses", "walk", "--out", photo), "also an input"),
        (("--poses", "walk", "--fps", 0, *out), "fps must be above 0"),
        (("--poses", "walk", "--batch", 0, *out), "batch must be"),
    ):
        assert expected in error_line(capsys, "animate", *base, *arguments, *QUICK), arguments
    assert "no such file" in error_line(capsys, "animate", "--source", tmp_path / "none.png", "--poses", "walk", *out)
    assert not (tmp_path / "a.gif").exists()
