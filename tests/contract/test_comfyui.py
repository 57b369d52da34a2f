"""The node pack by ComfyUI's own contract: found, described and executed as its server does, without the server."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cfld import mannequin
from cfld.poses.keypoints import Keypoints

PACK = Path(__file__).parents[2] / "integrations/comfyui"
SIZE = (192, 132)
TYPES = {"IMAGE", "CFLD_MODEL", "CFLD_POSE", "POSE_KEYPOINT", "STRING", "INT", "FLOAT"}


def load_pack() -> ModuleType:
    """Imports the folder as ComfyUI imports one of `custom_nodes`."""
    spec = importlib.util.spec_from_file_location(
        "comfyui_cfld", PACK / "__init__.py", submodule_search_locations=[str(PACK)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


NODES = load_pack().NODE_CLASS_MAPPINGS


def execute(node: str, **inputs: Any) -> Any:
    """Calls a node with the given inputs, the defaults of the others, and values checked against their description."""
    kind = NODES[node]
    values = {}
    for name, (declared, *options) in kind.INPUT_TYPES()["required"].items():
        settings = options[0] if options else {}
        default = settings.get("default", declared[0] if isinstance(declared, list) else None)
        values[name] = inputs.pop(name, default)
        if isinstance(declared, list):
            assert values[name] in declared
        elif declared in {"INT", "FLOAT"}:
            assert settings["min"] <= values[name] <= settings["max"]
    assert not inputs
    outputs = getattr(kind(), kind.FUNCTION)(**values)
    assert isinstance(outputs, tuple)
    assert len(outputs) == len(kind.RETURN_TYPES)
    for declared, output in zip(kind.RETURN_TYPES, outputs, strict=True):
        if declared == "IMAGE":
            check_image(output)
    return outputs if len(outputs) > 1 else outputs[0]


def check_image(image: Tensor) -> None:
    assert image.dtype == torch.float32
    assert image.ndim == 4
    assert image.shape[3] == 3
    assert 0 <= image.min() <= image.max() <= 1


def person(pose: int) -> tuple[Tensor, Keypoints]:
    identity, body = mannequin.sample_identity(1), mannequin.sample_body_pose(pose)
    image = np.asarray(mannequin.render(identity, body, size=SIZE), dtype=np.float32) / 255
    return torch.from_numpy(image)[None], mannequin.keypoints(identity, body, frame=SIZE)


@pytest.mark.parametrize("node", NODES)
def test_a_node_describes_itself(node: str) -> None:
    kind = NODES[node]
    required = kind.INPUT_TYPES()["required"]
    assert all(isinstance(declared, list) or declared in TYPES for declared, *_ in required.values())
    assert set(kind.RETURN_TYPES) <= TYPES
    assert len(kind.RETURN_NAMES) == len(kind.RETURN_TYPES)
    assert kind.CATEGORY == "CFLD"
    assert list(inspect.signature(getattr(kind, kind.FUNCTION)).parameters)[1:] == list(required)
    assert node in load_pack().NODE_DISPLAY_NAME_MAPPINGS


def test_a_workflow_from_two_images() -> None:
    """The pose of one image, as found in it, on the person of another; every image of a batch has its own noise."""
    source, target = person(3)[0], person(6)
    model = execute("CFLDLoadModel", recipe="fast")
    pose, skeleton = execute("CFLDPoseFromImage", image=torch.cat([target[0], target[0]]), backend="mannequin")
    assert np.abs(pose[0].yx - target[1].yx)[target[1].visible].mean() < 4
    assert skeleton.shape == (2, *SIZE, 3)
    options = {"model": model, "source": source, "seed": 5, "steps": 2}
    both = execute("CFLDGenerate", pose=pose, **options)
    assert both.shape == (2, *SIZE, 3)
    assert not torch.allclose(both[0], both[1], atol=0.05)
    assert torch.allclose(execute("CFLDGenerate", pose=pose[:1], **options)[0], both[0], atol=0.02)


def test_keypoints_of_other_nodes() -> None:
    """A list of OpenPose documents, one an image, as the DWPose node gives."""
    _, pose = person(6)
    numbers = [[float(x), float(y), float(seen)] for (y, x), seen in zip(pose.yx, pose.visible, strict=True)]
    flat = [number if joint[2] else 0.0 for joint in numbers for number in joint]
    document = {"people": [{"pose_keypoints_2d": flat}], "canvas_height": SIZE[0], "canvas_width": SIZE[1]}
    (read,), skeleton = execute("CFLDPoseFromKeypoints", keypoints=[document])
    assert read.frame == SIZE
    assert np.allclose(read.yx[pose.visible], pose.yx[pose.visible], atol=0.01)
    assert skeleton.max() > 0.5


def test_an_image_without_a_person_is_one_line() -> None:
    blank = torch.full((1, *SIZE, 3), 0.5)
    with pytest.raises(ValueError, match=r"image 1: nobody found"):
        execute("CFLDPoseFromImage", image=blank)
    with pytest.raises(ValueError, match=r"keypoints 1: .*"):
        execute("CFLDPoseFromKeypoints", keypoints=[{"people": []}])
