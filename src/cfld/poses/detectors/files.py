"""The published model files of the detectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cfld.downloads import PublishedFile

DWPOSE: Final = PublishedFile(
    url="https://huggingface.co/yzd-v/DWPose/resolve/main/dw-ll_ucoco_384.onnx",
    sha256="724f4ff2439ed61afb86fb8a1951ec39c6220682803b4a8bd4f598cd913b1843",
    about="134 MB, licence Apache-2.0",
    alternative="pass it with --model",
)
YOLOX: Final = PublishedFile(
    url="https://huggingface.co/yzd-v/DWPose/resolve/main/yolox_l.onnx",
    sha256="7860ae79de6c89a3c1eb72ae9a2756c0ccfbe04b7791bb5880afabd97855a411",
    about="217 MB, licence Apache-2.0",
    alternative="pass it with --detector",
)
POSE_LANDMARKER: Final = PublishedFile(
    url="https://storage.googleapis.com/mediapipe-models/pose_landmarker/pose_landmarker_full/float16/1/"
    "pose_landmarker_full.task",
    sha256="5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1",
    other_sha256=("4eaa5eb7a98365221087693fcc286334cf0858e2eb6e15b506aa4a7ecdcec4ad",),  # float16/latest
    about="9 MB, licence Apache-2.0",
    alternative="pass it with --model",
)


BACKENDS: Final[Mapping[str, tuple[str, tuple[PublishedFile, ...]]]] = {
    "mediapipe": ("mediapipe", (POSE_LANDMARKER,)),
    "rtmpose": ("onnxruntime", (DWPOSE, YOLOX)),
}
"""Backend for photographs -> its package and its files, the smaller ones first."""


def obtain(file: PublishedFile, path: Path | None = None) -> Path:
    """Returns `path`, or the published file; raises FileNotFoundError as `PublishedFile.obtain`."""
    if path is not None and not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected {file} from {file.url}, or a similar model")
    return path or file.obtain()
