"""Target poses from files, annotations and random seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld import mannequin
from cfld.inference.pose_reading import PoseReader, target_poses
from cfld.poses.keypoints import Keypoints, save_keypoints
from cfld.readers.images import is_image_file


def test_target_poses_by_file_row_and_number(poses: list[Keypoints], tmp_path: Path) -> None:
    save_keypoints(poses[0], tmp_path / "walk.v2.json")
    y, x = poses[1].to_annotation()
    (tmp_path / "rows.csv").write_text(f"name:keypoints_y:keypoints_x\nsomeone.jpg: {y}: {x}\n")
    found = target_poses([str(tmp_path / "walk.v2.json"), "someone.jpg", "7"], tmp_path / "rows.csv", (256, 176))
    assert list(found) == ["walk.v2", "someone", "mannequin7"]
    np.testing.assert_allclose(found["walk.v2"].yx, poses[0].yx, atol=0.01)
    np.testing.assert_array_equal(found["someone"].yx, np.round(poses[1].yx))
    assert found["mannequin7"].visible.any()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nobody.jpg", "no --annotations"),
        ("none.json", "no such file"),
        ("-3", "neither a file nor a number"),
        ("", "is a folder"),
    ],
)
def test_target_poses_that_do_not_exist_are_reported(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        target_poses([text])


def test_target_poses_must_differ_and_have_joints(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mannequin3"):
        target_poses(["3", "3"])
    save_keypoints(Keypoints(np.full((18, 2), -1)), tmp_path / "nobody.json")
    with pytest.raises(ValueError, match="all 18 joints are missing"):
        target_poses([str(tmp_path / "nobody.json")])


def test_an_image_or_a_keypoint_file(tmp_path: Path) -> None:
    pixels = mannequin.render(mannequin.sample_identity(1), mannequin.sample_body_pose(2))
    Image.fromarray(pixels).save(tmp_path / "me.png")
    reader = PoseReader()
    found = reader.file(tmp_path / "me.png")
    assert found.frame == pixels.shape[:2]
    save_keypoints(found, tmp_path / "me.json")
    np.testing.assert_allclose(reader.file(tmp_path / "me.json").yx, found.yx, atol=0.01)


def test_the_detector_is_opened_once_and_only_for_images(tmp_path: Path, poses: list[Keypoints]) -> None:
    def refuse() -> None:
        raise AssertionError("no image was read")

    save_keypoints(poses[0], tmp_path / "pose.json")
    PoseReader(refuse).file(tmp_path / "pose.json")  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "expected"), [("a.PNG", True), ("a.jpeg", True), ("a.json", False), ("a", False)])
def test_image_files_are_recognised_by_their_extension(name: str, expected: bool) -> None:
    assert is_image_file(Path(name)) is expected
