"""Published weights of the metrics' networks: where to get them, and loading them."""

from __future__ import annotations

import hashlib
import pickle
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import nn

from cfld.metrics.networks import InceptionV3
from cfld.metrics.protocols import BackboneKind, InceptionKind


@dataclass(frozen=True)
class WeightFile:
    """A published file whose name contains the first eight digits of its SHA-256, as usual for torch.hub."""

    url: str

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def sha256_prefix(self) -> str:
        return Path(self.name).stem.rpartition("-")[2]


INCEPTION_FILES: Final[dict[InceptionKind, WeightFile]] = {
    "imagenet": WeightFile("https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth"),
    "tensorflow": WeightFile(
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
    ),
}
BACKBONE_FILES: Final[dict[BackboneKind, WeightFile]] = {
    "alex": WeightFile("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"),
    "vgg": WeightFile("https://download.pytorch.org/models/vgg16-397923af.pth"),
}
CLASSIFIERS: Final = ("AuxLogits.", "fc.", "classifier.")
"""Prefixes of published weights that the metrics do not need."""


@dataclass(frozen=True)
class Loaded:
    """A network with its weights, frozen and in evaluation mode.

    Attributes:
        file: name of the weight file.
        sha256: of the weight file.
        published: whether it is the published file.
    """

    network: nn.Module
    file: str
    sha256: str
    published: bool


def load_inception(kind: InceptionKind, folder: Path | None = None) -> Loaded:
    """Loads Inception-v3; arguments and errors as `load_published`."""
    network = InceptionV3(kind)
    return load_published(network, network, INCEPTION_FILES[kind], folder)


def load_published(network: nn.Module, backbone: nn.Module, file: WeightFile, folder: Path | None) -> Loaded:
    """Loads a published file into `backbone`, a part of `network` or all of it.

    Args:
        folder: of the weight file; None = torch.hub's. The file is downloaded if missing.

    Raises:
        FileNotFoundError: naming the file and its folder, if it is missing and cannot be downloaded.
        ValueError: if the file is damaged or belongs to another network.
    """
    path = obtain(file, folder)
    load_weights(backbone, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Loaded(network.eval().requires_grad_(False), file.name, digest, digest.startswith(file.sha256_prefix))


def obtain(file: WeightFile, folder: Path | None = None) -> Path:
    """Returns the path of the file, downloaded and verified if missing; arguments and errors as `load_published`."""
    path = (folder or Path(torch.hub.get_dir()) / "checkpoints") / file.name
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(file.url, str(path), hash_prefix=file.sha256_prefix)
    except (OSError, RuntimeError) as error:
        with suppress(OSError):
            path.parent.rmdir()  # unless it holds other files
        raise FileNotFoundError(
            f"{path} is missing and cannot be downloaded from {file.url} ({' '.join(str(error).split())}); put the "
            "file there, or name the folder that holds it with --weights"
        ) from None
    return path


def load_weights(network: nn.Module, path: Path) -> None:
    """Loads a torchvision state dict without its classifier.

    Raises:
        ValueError: naming the file, if it is damaged or does not fit.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({key: value for key, value in state.items() if not key.startswith(CLASSIFIERS)})
    except (OSError, RuntimeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: not the weights of {type(network).__name__} ({reason})") from None
