"""Outputs of commands that fail: no folder is made, no file changes, on full disks and for bad input."""

from __future__ import annotations

from pathlib import Path

import pytest

from cfld.poses.keypoints import Keypoints, save_keypoints
from support.commands import error_line, run
from support.disk import largest_file

QUICK = ("--steps", "1", "--device", "cpu")


def content(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("limit", [0, 200, 2000])
def test_a_pose_and_its_drawing_are_both_replaced_or_neither(
    tmp_path: Path, pose_file: Path, poses: list[Keypoints], limit: int, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.json"
    save_keypoints(poses[1], other)
    outputs = ("--out", tmp_path / "a.json", "--draw", tmp_path / "a.png")
    run("pose", "--image", pose_file, *outputs)
    before = content(tmp_path)
    with largest_file(limit):
        assert "File too large" in error_line(capsys, "pose", "--image", other, *outputs)
    assert content(tmp_path) == before


@pytest.mark.parametrize("limit", [0, 5_000, 100_000])
def test_training_of_the_pose_network_ends_in_one_line(
    tmp_path: Path, limit: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Writing to a memory map would end it by a signal."""
    tiny = ("--identities", 2, "--poses", 2, "--steps", 1, "--batch-size", 2)
    with largest_file(limit):
        assert "File too large" in error_line(capsys, "pose-net", "train", *tiny, "--out", tmp_path / "run")
    assert content(tmp_path) == {}


def test_a_video_on_a_full_disk_leaves_the_old_one(
    tmp_path: Path, photo: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("animate", "--source", photo, "--poses", "walk", "--frames", 3, "--model", model_folder, *QUICK)
    run(*command, "--out", tmp_path / "w.mp4")
    before = content(tmp_path)
    for limit in (0, 500, 2000):
        with largest_file(limit):
            line = error_line(capsys, *command, "--seed", 1, "--out", tmp_path / "w.mp4")
        assert "File too large" in line
        assert content(tmp_path) == before


BAD_STARTS = {
    "generate": ("generate", "--source", "me.png", "--target-pose", "7", "--model", "broken"),
    "generate-data": ("generate", "--data", "broken"),
    "animate": ("animate", "--source", "me.png", "--poses", "walk", "--frames", "2", "--model", "broken"),
    "transfer": (
        *("edit", "transfer", "--reference", "me.png", "--mask", "me.png", "--source", "me.png"),
        *("--target-pose", "7", "--model", "broken"),
    ),
    "interpolate": ("edit", "interpolate", "--source", "me.png", "me.png", "--target-pose", "7", "--model", "broken"),
    "augment": ("augment", "--data", "broken"),
    "features": ("features", "--source", "me.png", "--model", "broken"),
    "attention": ("attention", "--source", "me.png", "--model", "broken"),
    "figures": ("figures", "--model", "broken"),
    "pose": ("pose", "--image", "none.png"),
    "convert": ("convert", "--base", "broken"),
    "evaluate": ("evaluate", "images", "--data", "broken", "--images", "broken"),
    "train": ("train", "tiny", "--config.init-from", "broken"),
    "train-data": ("train", "tiny", "--config.data.kind", "deepfashion", "--config.data.root", "broken"),
    "pose-net": ("pose-net", "train", "--steps", "0"),
    "data": ("data", "deepfashion", "--images", "broken", "--lists", "broken"),
    "mannequin": ("data", "mannequin", "--identities", "1"),
    "reproduce": ("reproduce", "table3", "--scale", "deepfashion-256"),
    "study": ("study", "create", "--data", "broken", "--method", "ours=broken"),
}


@pytest.mark.parametrize("name", BAD_STARTS)
def test_a_failed_start_leaves_no_folder(
    name: str, tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert photo.name == "me.png"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model_index.json").write_text("{}")
    before = content(tmp_path)
    ending = {"animate": ".mp4", "transfer": ".png", "interpolate": ".png", "attention": ".png", "pose": ".json"}
    ending["features"] = ".npz"
    error_line(capsys, *BAD_STARTS[name], "--out", f"new/deep/out{ending.get(name, '')}")
    assert content(tmp_path) == before
