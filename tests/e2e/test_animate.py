"""`cfld animate`, as people run it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence

from cfld import mannequin
from cfld.cli import main
from cfld.cli.output import save_images
from cfld.config.schema import SamplingConfig
from cfld.inference.animation import generate_frames, read_sequence
from cfld.inference.pose_reading import PoseReader
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints, save_keypoints

READER = PoseReader()
FRAME = (256, 176)


def animate(*arguments: object) -> None:
    main(["animate", *(str(argument) for argument in arguments), "--steps", "1", "--device", "cpu"])


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        animate(*arguments)
    assert stopped.value.code == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1, printed
    return printed


@pytest.fixture
def source(tmp_path: Path, person: Image.Image) -> Path:
    person.save(tmp_path / "me.png")
    return tmp_path / "me.png"


@pytest.fixture
def folder(tmp_path: Path, poses: list[Keypoints]) -> Path:
    folder = tmp_path / "poses"
    folder.mkdir()
    for number, pose in zip((1, 2, 10), poses, strict=False):
        save_keypoints(pose, folder / f"pose{number}.json")
    return folder


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "apng"])
def test_the_walk_as_an_animated_image(tmp_path: Path, source: Path, model_folder: Path, ending: str) -> None:
    out = tmp_path / "made" / f"walk.{ending}"
    animate("--source", source, "--poses", "walk", "--frames", 4, "--fps", 8, "--model", model_folder, "--out", out)
    with Image.open(out) as animation:
        frames = [frame.copy() for frame in ImageSequence.Iterator(animation)]
        assert len(frames) == 4
        assert animation.info.get("loop") == 0
        assert animation.info["duration"] == pytest.approx(125, abs=5)
    settings = json.loads((tmp_path / "made" / f"walk.{ending}.json").read_text())
    assert settings["poses"] == "walk"
    assert settings["steps"] == 1


def test_a_folder_as_a_video(tmp_path: Path, source: Path, folder: Path, model_folder: Path) -> None:
    out = tmp_path / "dance.mp4"
    animate("--source", source, "--poses", folder, "--model", model_folder, "--batch", 2, "--out", out)
    video = cv2.VideoCapture(str(out))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 3
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert not list(tmp_path.glob(".*part*"))


@pytest.mark.parametrize("size", [(31, 45), (32, 44)])
def test_videos_keep_what_they_are_given(tmp_path: Path, size: tuple[int, int]) -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    save_images([Image.new("RGB", size, colour) for colour in colours], tmp_path / "v.mp4", {}, frame_ms=200)
    video = cv2.VideoCapture(str(tmp_path / "v.mp4"))
    for colour in colours:
        there, frame = video.read()
        assert there
        np.testing.assert_allclose(frame[10, 10, ::-1], colour, atol=12)


def test_the_order_is_that_of_the_numbers(folder: Path, poses: list[Keypoints]) -> None:
    found = read_sequence(str(folder), None, FRAME, READER)
    for pose, expected in zip(found, poses, strict=False):
        np.testing.assert_allclose(pose.yx, expected.yx, atol=0.01)
    two = read_sequence(str(folder), 2, FRAME, READER)
    np.testing.assert_array_equal(two[1].yx, found[1].yx)


def test_lists_of_ours_and_of_controlnets(tmp_path: Path, poses: list[Keypoints]) -> None:
    ours = [json.loads(pose.to_json()) for pose in poses]
    bare = [pose["keypoints"] for pose in ours]
    theirs = []
    for pose in poses:
        rows = np.column_stack([pose.yx[:, ::-1] / (176, 256), pose.visible]) * pose.visible[:, None]
        person = {"pose_keypoints_2d": rows.ravel().tolist()}
        theirs.append({"people": [person], "canvas_height": 256, "canvas_width": 176})
    for content in (ours, bare, theirs):
        (tmp_path / "list.json").write_text(json.dumps(content))
        found = read_sequence(str(tmp_path / "list.json"), None, FRAME, READER)
        assert len(found) == len(poses)
        for pose, expected in zip(found, poses, strict=True):
            np.testing.assert_allclose(pose.yx, expected.yx, atol=0.01)


def test_the_noise_is_the_same_in_all_frames(pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
    """The same pose twice is the same image twice, and batches of any size make the same frames."""
    sampling = SamplingConfig(steps=2, seed=5)
    once = generate_frames(pipe, person, [poses[0], poses[1], poses[0]], sampling, batch=3)
    again = generate_frames(pipe, person, [poses[0], poses[1], poses[0]], sampling, batch=2)
    a, b, c = (np.asarray(frame).astype(int) for frame in once)
    assert np.abs(a - c).max() <= 1
    assert np.abs(a - b).max() > 1
    for one, other in zip(once, again, strict=True):
        assert np.abs(np.asarray(one).astype(int) - np.asarray(other)).max() <= 1


def test_the_source_is_encoded_once(pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
    seen: list[int] = []
    hook = pipe.conditioner.source_encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    try:
        generate_frames(pipe, person, poses, SamplingConfig(steps=1), batch=2)
    finally:
        hook.remove()
    assert seen == [1]


def test_on_the_sources_own_body(tmp_path: Path, folder: Path, model_folder: Path) -> None:
    who, pose = mannequin.sample_identity(991), mannequin.sample_body_pose(5)
    Image.fromarray(mannequin.render(who, pose)).save(tmp_path / "drawn.png")
    own = ("--fit", "letterbox", "--retarget")
    out = tmp_path / "own.gif"
    animate("--source", tmp_path / "drawn.png", "--poses", folder, *own, "--model", model_folder, "--out", out)
    assert out.exists()


def test_bad_input_is_told_in_one_line(
    tmp_path: Path, source: Path, folder: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nothing.json").write_text("[]")
    (tmp_path / "one.json").write_text(json.dumps([{"frame": FRAME, "keypoints": [[1, 2]] * 18}]))
    (tmp_path / "empty.json").write_text(json.dumps([{"frame": FRAME, "keypoints": [[-1, -1]] * 18}] * 2))
    (tmp_path / "empty").mkdir()
    base = ("--source", source, "--model", model_folder)
    out = ("--out", tmp_path / "a.gif")
    for arguments, expected in (
        (("--poses", "run", *out), "run is neither a file or folder of poses nor walk"),
        (("--poses", "walk", "--frames", 1, *out), "at least 2"),
        (("--poses", folder, "--frames", 9, *out), "9 frames requested of 3 poses"),
        (("--poses", tmp_path / "one.json", *out), "1 frames requested of 1 poses"),
        (("--poses", tmp_path / "empty", *out), "0 frames requested of 0 poses"),
        (("--poses", tmp_path / "nothing.json", *out), "nothing.json"),
        (("--poses", tmp_path / "empty.json", *out), "pose 1, all 18 joints are missing"),
        (("--poses", "walk", "--out", tmp_path / "a.avi"), "one of .gif, .webp"),
        (("--poses", "walk", "--out", source), "also an input"),
        (("--poses", "walk", "--fps", 0, *out), "--fps"),
        (("--poses", "walk", "--batch", 0, *out), "--batch"),
    ):
        assert expected in told(capsys, *base, *arguments), arguments
    assert "no such image" in told(capsys, "--source", tmp_path / "none.png", "--poses", "walk", *out)
    assert not (tmp_path / "a.gif").exists()


def test_a_image_of_the_list_with_nobody_in_it_is_named(tmp_path: Path, poses: list[Keypoints]) -> None:
    rows = np.column_stack([poses[0].yx[:, ::-1], poses[0].visible]) * poses[0].visible[:, None]
    person, canvas = {"pose_keypoints_2d": rows.ravel().tolist()}, {"canvas_height": 256, "canvas_width": 176}
    content = [{"people": [person], **canvas}, {"people": [], **canvas}]
    (tmp_path / "list.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="pose 2: nobody found"):
        read_sequence(str(tmp_path / "list.json"), None, FRAME, READER)
