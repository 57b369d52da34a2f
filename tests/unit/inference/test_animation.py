"""Sequences of poses from folders and lists, and frames from one noise."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.config.schema import SamplingConfig
from cfld.inference.animation import generate_frames, read_sequence
from cfld.inference.pose_reading import PoseReader
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints, save_keypoints
from cfld.poses.orders import COCO_JOINTS, OPENPOSE
from support.images import difference
from support.pose_files import flat

READER = PoseReader()
FRAME = (256, 176)


@pytest.fixture
def folder(tmp_path: Path, poses: list[Keypoints]) -> Path:
    folder = tmp_path / "poses"
    folder.mkdir()
    for number, pose in zip((1, 2, 10), poses, strict=False):
        save_keypoints(pose, folder / f"pose{number}.json")
    return folder


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


def test_sequences_of_other_programs(tmp_path: Path, poses: list[Keypoints], caplog: pytest.LogCaptureFixture) -> None:
    joints = [pose.yx[[OPENPOSE[name] for name in COCO_JOINTS], ::-1].astype(float) for pose in poses[:2]]
    people = [{"keypoints": one.tolist(), "keypoint_scores": [0.9] * 17} for one in joints]
    named = [
        {"image_id": f"{n}.jpg", "keypoints": flat(np.c_[one, [0.9] * 17])}
        for n, one in zip((3, 7), joints, strict=True)
    ]
    np.save(tmp_path / "array.npy", np.stack(joints))
    for name, content in {
        "mmpose.json": [{"frame_id": n, "instances": [person]} for n, person in enumerate(people)],
        "alphapose.json": named,
    }.items():
        (tmp_path / name).write_text(json.dumps(content))
    for name in ("mmpose.json", "alphapose.json", "array.npy"):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            found = read_sequence(str(tmp_path / name), None, FRAME, READER)
        assert ("between 3.jpg and 7.jpg" in caplog.text) == (name == "alphapose.json")
        for pose, expected in zip(found, poses[:2], strict=True):
            np.testing.assert_allclose(pose.yx[2:], expected.yx[2:], atol=0.01)


def test_the_noise_is_the_same_in_all_frames(pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
    """The same pose twice is the same image twice, and batches of any size make the same frames."""
    sampling = SamplingConfig(steps=2, seed=5)
    once = generate_frames(pipe, person, [poses[0], poses[1], poses[0]], sampling, batch=3)
    again = generate_frames(pipe, person, [poses[0], poses[1], poses[0]], sampling, batch=2)
    assert difference(once[0], once[2]) <= 1
    assert difference(once[0], once[1]) > 1
    assert all(difference(one, other) <= 1 for one, other in zip(once, again, strict=True))


def test_the_source_is_encoded_once(pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
    seen: list[int] = []
    hook = pipe.conditioner.source_encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    try:
        generate_frames(pipe, person, poses, SamplingConfig(steps=1), batch=2)
    finally:
        hook.remove()
    assert seen == [1]


def test_an_image_without_people_is_named(tmp_path: Path, poses: list[Keypoints]) -> None:
    rows = np.column_stack([poses[0].yx[:, ::-1], poses[0].visible]) * poses[0].visible[:, None]
    person, canvas = {"pose_keypoints_2d": rows.ravel().tolist()}, {"canvas_height": 256, "canvas_width": 176}
    content = [{"people": [person], **canvas}, {"people": [], **canvas}]
    (tmp_path / "list.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="pose 2: nobody found"):
        read_sequence(str(tmp_path / "list.json"), None, FRAME, READER)
