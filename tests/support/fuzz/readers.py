"""The readers as Python programs call them, and files for each."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from cfld import convert
from cfld.config import io
from cfld.config.schema import TrainConfig
from cfld.data import lists
from cfld.data.registry import detect_dataset, open_dataset
from cfld.data.transforms import read_image
from cfld.evaluation.fid_reference import load_gaussian
from cfld.inference.animation import read_sequence
from cfld.inference.pose_reading import PoseReader, target_poses
from cfld.mannequin.networks import load_network
from cfld.mannequin.pose_network.network import PoseNetwork
from cfld.pipeline import CFLDPipeline
from cfld.poses.detectors.onnx_session import OnnxModel
from cfld.poses.formats import load_keypoints, load_people
from cfld.readers import tensors, text
from cfld.readers.images import read_pixels
from cfld.study.definition import open_study
from cfld.training.checkpoint import load_checkpoint
from support.fuzz.mutations import place
from support.fuzz.workspace import POSE_FILES

FRAME: Final = (256, 176)


def _dataset(root: Path) -> Any:
    dataset = open_dataset(detect_dataset(root), root, "test")
    return [dataset[i] for i in range(len(dataset))]


@dataclass(frozen=True)
class Reader:
    """A reader and what it reads.

    Attributes:
        read: from a path.
        inputs: names in the workspace; of a folder, each file is damaged in turn.
    """

    read: Callable[[Path], Any]
    inputs: tuple[str, ...]


POSES: Final = ("pose.json", "openpose.json", "controlnet.json", "coco.json", "rows.csv", *POSE_FILES)
IMAGES: Final = ("me.png", "palette.png", "deep.png", "exif.jpg", "moving.gif", "photo.webp", "photo.tiff")
READERS: Final = {
    "json": Reader(text.load_json, ("pose.json",)),
    "keypoints": Reader(load_keypoints, POSES),
    "people": Reader(load_people, POSES),
    "target poses": Reader(lambda path: target_poses([str(path)]), (*POSES, "drawn.png")),
    "sequence": Reader(
        lambda path: read_sequence(str(path), None, FRAME, PoseReader()), ("list.json", "controlnet.json", "poses")
    ),
    "names": Reader(lists.read_names, ("lists/train.lst",)),
    "pairs": Reader(lists.read_pairs, ("lists/fashion-resize-pairs-train.csv",)),
    "annotations": Reader(
        lambda path: lists.read_annotations(path, FRAME), ("rows.csv", "lists/fashion-resize-annotation-train.csv")
    ),
    "image": Reader(read_image, IMAGES),
    "pixels": Reader(read_pixels, ("mask.png", *IMAGES)),
    "dataset": Reader(_dataset, ("data",)),
    "safetensors": Reader(tensors.load_safetensors, ("model/conditioner/diffusion_pytorch_model.safetensors",)),
    "pickle": Reader(tensors.load_pickle, ("released/pytorch_model.bin",)),
    "statistics": Reader(load_gaussian, ("statistics.npz",)),
    "array": Reader(tensors.map_array, ("array.npy",)),
    "checkpoint": Reader(load_checkpoint, ("run/checkpoints/step-00000002",)),
    "configuration": Reader(lambda path: io.load(TrainConfig, path), ("run/config.json",)),
    "model": Reader(CFLDPipeline.from_pretrained, ("model",)),
    "release": Reader(convert.load_official_checkpoint, ("released",)),
    "scheduler": Reader(convert.load_scheduler, ("sd15",)),
    "pose network": Reader(partial(load_network, PoseNetwork), ("network",)),
    "onnx": Reader(lambda path: OnnxModel(path, (64, 48)), ("dots.onnx",)),
    "study": Reader(open_study, ("study",)),
}

Damage = tuple[str, str, bytes | str]
"""Of an input: its name, that of the file in it, and what stands there instead."""


def try_reader(name: str, workspace: Path, damages: Sequence[Damage]) -> None:
    """Reads each damaged input; prints what happened, as JSON, a line for each."""
    import shutil

    for source, file, thing in damages:
        print(json.dumps({"begins": f"{source}: {file}"}), flush=True)
        path = Path(Path(source).name)
        if (workspace / source).is_dir():
            shutil.copytree(workspace / source, path, symlinks=True)
        place(path / file if file else path, thing)
        try:
            READERS[name].read(path)
            problem = None
        except (ValueError, OSError) as error:
            problem = _message_problem(str(error), path, file)
        except BaseException as error:  # noqa: BLE001
            problem = _where(error)
        print(json.dumps({"problem": problem}), flush=True)
        place(path, "nothing")


def _message_problem(message: str, path: Path, file: str) -> str | None:
    if not message.strip():
        return "an empty message"
    if "\n" in message.strip():
        return f"more than one line: {message[:200]!r}"
    return None if path.name in message or Path(file).name in message else f"does not name the file: {message[:200]}"


def _where(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/cfld/" in frame.filename]
    where = f"{frames[-1].filename.partition('/src/cfld/')[2]}:{frames[-1].lineno}" if frames else "?"
    return f"{where} {type(error).__name__}: {' '.join(str(error).split())[:150]}"


def inputs(reader: Reader, workspace: Path) -> Mapping[tuple[str, str], bytes]:
    """The contents of all files that a reader reads, by the names of the input and of the file in it."""
    found: dict[tuple[str, str], bytes] = {}
    for source in reader.inputs:
        for path in [workspace / source, *sorted((workspace / source).rglob("*"))]:
            if path.is_file():
                file = "" if path == workspace / source else str(path.relative_to(workspace / source))
                found[source, file] = path.read_bytes()
    return found
