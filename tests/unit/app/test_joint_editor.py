"""What travels between the joint editor and the server."""

from __future__ import annotations

import base64
import io
import json
import math
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from cfld.app.joint_editor import from_value, joint_editor, to_value, with_backdrop
from cfld.poses.keypoints import Keypoints
from cfld.poses.skeleton import BONES, JOINTS, MIRROR


def some_pose(seed: int = 0, frame: tuple[int, int] = (256, 176)) -> Keypoints:
    """Joints in the frame and around it, one of them missing."""
    rng = np.random.default_rng(seed)
    yx = rng.uniform(-0.2, 1.2, (18, 2)) * frame
    yx[rng.integers(18)] = -1
    return Keypoints(yx, frame)


@pytest.mark.parametrize("frame", [(256, 176), (128, 64), (4000, 3000), (1, 1)])
def test_there_and_back(frame: tuple[int, int]) -> None:
    pose = some_pose(frame=frame)
    value = json.loads(json.dumps(to_value(pose)))
    back = from_value(value)
    assert back.frame == frame
    assert np.array_equal(back.visible, pose.visible)
    assert np.allclose(back.yx, pose.yx, atol=0.011)
    assert to_value(back) == value, "nothing moves by travelling again"


def changed(**fields: Any) -> dict[str, Any]:
    return {**to_value(some_pose()), **fields}


def with_joint(*joint: Any) -> dict[str, Any]:
    value = to_value(some_pose())
    value["keypoints"][5] = list(joint)
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "pose: Input should be a valid dictionary"),
        ("", "pose: Input should be a valid dictionary"),
        ([[1, 2]] * 18, "pose: Input should be a valid dictionary"),
        ({"frame": [256, 176]}, "keypoints: Field required"),
        (changed(more=1), "more: Extra inputs are not permitted"),
        (changed(frame=None), "^pose: frame"),
        (changed(frame=[256]), "^pose: frame"),
        (changed(frame=[256, 0]), "^pose: frame"),
        (changed(frame=[256.5, 176]), "^pose: frame"),
        (changed(frame=[True, True]), "^pose: frame"),
        (changed(frame=[10**9, 10**9]), "^pose: frame"),
        (changed(frame=["256", "176"]), "^pose: frame"),
        (changed(keypoints=[[1, 2]] * 17), "keypoints: .* at least 18"),
        (changed(keypoints=[[1, 2]] * 100_000), "keypoints: .* at most 18"),
        (changed(keypoints={"0": [1, 2]}), "keypoints: .* valid list"),
        (with_joint(1), "keypoints.5: .* at least 2"),
        (with_joint(1, 2, 3), "keypoints.5: .* at most 2"),
        (with_joint(math.nan, 2), "keypoints.5.[01]: .* number"),
        (with_joint(1, math.inf), "keypoints.5.[01]: .* number"),
        (with_joint(1, 1e300), "within 10 frames"),
        (with_joint(1, 10**400), "keypoints.5.[01]: .* number"),
        (with_joint("1", "2"), "keypoints.5.[01]: .* number"),
        (with_joint(None, None), "keypoints.5.[01]: .* number"),
        (with_joint(True, False), "keypoints.5.[01]: .* number"),
        (with_joint([1], [2]), "keypoints.5.[01]: .* number"),
    ],
)
def test_malformed_poses_get_a_message_of_one_line(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        from_value(value)
    assert len(str(caught.value)) < 150
    assert "\n" not in str(caught.value)


def test_the_page_is_given_the_skeleton_of_this_project() -> None:
    with gr.Blocks(analytics_enabled=False):
        editor = joint_editor(some_pose(), "Target pose", "pose")
    props = editor.get_config()["props"]
    assert [joint["name"] for joint in props["joints"]] == [name.replace("_", " ") for name in JOINTS]
    assert [(bone["from"], bone["to"]) for bone in props["bones"]] == list(BONES)
    assert props["mirror"] == list(MIRROR)
    assert props["joints"][1]["colour"] == "rgb(255, 85, 0)"
    assert editor.value == to_value(some_pose())


def test_nothing_in_the_page_names_a_host() -> None:
    with gr.Blocks(analytics_enabled=False):
        editor = joint_editor(some_pose())
    for text in (editor.html_template, editor.css_template, editor.js_on_load):
        assert text
        assert "//" not in text.replace("// ", "")


@pytest.mark.parametrize(("size", "shown"), [((176, 256), (176, 256)), ((3000, 2000), (512, 341))])
def test_a_backdrop_is_a_small_image(size: tuple[int, int], shown: tuple[int, int]) -> None:
    image = Image.new("RGBA", size, "red")
    update = with_backdrop(image)
    kind, _, data = update["backdrop"].partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == shown
    assert image.size == size
    assert with_backdrop(None)["backdrop"] == ""
