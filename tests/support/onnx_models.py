"""Small ONNX networks whose right answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cfld.poses.detectors.rtmpose import MEAN, STD

SMEAR = 9
"""Side of the square that a dot's response is averaged over, so that its highest place is its middle."""


def colours(count: int) -> NDArray[np.uint8]:
    """One colour a joint, far from each other and from grey; red and blue differ, so that their order shows."""
    levels = [(r, g, b) for r in (0, 85, 170, 255) for g in (0, 85, 170, 255) for b in (0, 85, 170, 255) if r != b]
    return np.array(levels, dtype=np.uint8)[:count]


def dot_finder(path: Path, size: tuple[int, int], joints: int = 17) -> Path:
    """A pose network in RTMPose's form: joint j is where a dot of the j-th colour is; without one its score is 0.

    Joints after the 17th, of which there are 116 in COCO-WholeBody, are where the first one is.
    """
    wanted = (colours(17).astype(np.float32) - MEAN) / STD
    wanted = np.concatenate([wanted, np.repeat(wanted[:1], joints - 17, axis=0)]).astype(np.float32)
    height, width = size
    constants = {
        "wanted": wanted.reshape(1, joints, 3, 1, 1),
        "one": np.array([1.0], np.float32),
        "steepness": np.array([4.0], np.float32),
        "third": np.array([2], np.int64),
        "axis_y": np.array([2], np.int64),
        "axis_x": np.array([3], np.int64),
        "second": np.array([1], np.int64),
        "twice": np.array([1.0, 1.0, 2.0], np.float32),
    }
    pad = [SMEAR // 2] * 4
    nodes = [
        helper.make_node("Unsqueeze", ["input", "second"], ["a"]),
        helper.make_node("Sub", ["a", "wanted"], ["b"]),
        helper.make_node("Abs", ["b"], ["c"]),
        helper.make_node("ReduceSum", ["c", "third"], ["d"], keepdims=0),
        helper.make_node("Mul", ["d", "steepness"], ["e"]),
        helper.make_node("Sub", ["one", "e"], ["f"]),
        helper.make_node("Relu", ["f"], ["g"]),
        helper.make_node("AveragePool", ["g"], ["h"], kernel_shape=[SMEAR] * 2, pads=pad, count_include_pad=1),
        helper.make_node("ReduceMax", ["h", "axis_y"], ["over_y"], keepdims=0),
        helper.make_node("ReduceMax", ["h", "axis_x"], ["over_x"], keepdims=0),
        helper.make_node("Resize", ["over_y", "", "twice"], ["simcc_x"], mode="nearest"),
        helper.make_node("Resize", ["over_x", "", "twice"], ["simcc_y"], mode="nearest"),
    ]
    outputs = {"simcc_x": [1, joints, width * 2], "simcc_y": [1, joints, height * 2]}
    return save(path, nodes, constants, [1, 3, height, width], outputs)


def constant(path: Path, size: tuple[int, int], output: NDArray[np.float32]) -> Path:
    """A network that says the same of every image; its output also depends on the input, by nothing."""
    constants = {"answer": output, "nothing": np.array([0.0], np.float32)}
    nodes = [
        helper.make_node("ReduceMax", ["input"], ["highest"], keepdims=0),
        helper.make_node("Mul", ["highest", "nothing"], ["zero"]),
        helper.make_node("Add", ["answer", "zero"], ["output"]),
    ]
    return save(path, nodes, constants, [1, 3, *size], {"output": list(output.shape)})


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    constants: dict[str, NDArray[np.generic]],
    shape: list[int],
    outputs: dict[str, list[int]],
) -> Path:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
