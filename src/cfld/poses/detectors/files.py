"""Published model files: name, licence, address, size and hash; downloaded when first needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.error import URLError

import torch


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A published file.

    Attributes:
        option: command-line option that names another file.
        size: in bytes.
    """

    name: str
    option: str
    licence: str
    size: int
    url: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} ({self.size / 1e6:.0f} MB, licence {self.licence}, {self.url}, SHA-256 {self.sha256})"


DWPOSE: Final = ModelFile(
    name="dw-ll_ucoco_384.onnx",
    option="--model",
    licence="Apache-2.0",
    size=134_399_116,
    url="https://huggingface.co/yzd-v/DWPose/resolve/main/dw-ll_ucoco_384.onnx",
    sha256="724f4ff2439ed61afb86fb8a1951ec39c6220682803b4a8bd4f598cd913b1843",
)
YOLOX: Final = ModelFile(
    name="yolox_l.onnx",
    option="--detector",
    licence="Apache-2.0",
    size=216_746_733,
    url="https://huggingface.co/yzd-v/DWPose/resolve/main/yolox_l.onnx",
    sha256="7860ae79de6c89a3c1eb72ae9a2756c0ccfbe04b7791bb5880afabd97855a411",
)
POSE_LANDMARKER: Final = ModelFile(
    name="pose_landmarker_full.task",
    option="--model",
    licence="Apache-2.0",
    size=9_398_198,
    url="https://storage.googleapis.com/mediapipe-models/pose_landmarker/pose_landmarker_full/float16/1/"
    "pose_landmarker_full.task",
    sha256="5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1",
)


def obtain(file: ModelFile, path: Path | None = None) -> Path:
    """Returns `path`, or the published file in the cache of torch.hub, where it is downloaded and verified once.

    Raises:
        FileNotFoundError: if `path` does not exist, or the download fails; says which file to put where.
    """
    if path is not None:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; expected {file}, or a similar model")
        return path
    place = Path(torch.hub.get_dir()) / "checkpoints" / file.name
    if not place.is_file():
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(file.url, str(place), hash_prefix=file.sha256)
        except (OSError, URLError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise FileNotFoundError(
                f"{place}: download failed ({reason}); put the file there or pass it with {file.option}: {file}"
            ) from None
    return place
