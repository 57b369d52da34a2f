"""Published weights of the metrics' networks: where to get them, and loading them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torch import nn

from cfld.downloads import PublishedFile
from cfld.metrics.networks import InceptionV3
from cfld.metrics.protocols import BackboneKind, InceptionKind
from cfld.readers.tensors import load_pickle


def _published(url: str, origin: str = "torchvision's") -> PublishedFile:
    """A file whose name ends with the first digits of its SHA-256, as usual for torch.hub."""
    digits = Path(url).stem.rpartition("-")[2]
    option = "name the folder that holds it with --weights"
    return PublishedFile(url=url, sha256=digits, about=origin, alternative=option)


INCEPTION_FILES: Final[dict[InceptionKind, PublishedFile]] = {
    "imagenet": _published("https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth"),
    "tensorflow": _published(
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        "pytorch-fid's",
    ),
}
BACKBONE_FILES: Final[dict[BackboneKind, PublishedFile]] = {
    "alex": _published("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"),
    "vgg": _published("https://download.pytorch.org/models/vgg16-397923af.pth"),
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


def load_published(network: nn.Module, backbone: nn.Module, file: PublishedFile, folder: Path | None) -> Loaded:
    """Loads a published file into `backbone`, a part of `network` or all of it.

    Args:
        folder: of the weight file; None = torch.hub's. The file is downloaded if missing.

    Raises:
        FileNotFoundError: naming the file and its folder, if it is missing and cannot be downloaded.
        ValueError: if the file is damaged or belongs to another network.
    """
    path = file.obtain(folder)
    load_weights(backbone, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Loaded(network.eval().requires_grad_(False), file.name, digest, digest.startswith(file.sha256))


def load_weights(network: nn.Module, path: Path) -> None:
    """Loads a torchvision state dict without its classifier.

    Raises:
        ValueError: naming the file, if it is damaged or does not fit.
    """
    state = load_pickle(path)
    try:
        network.load_state_dict({key: value for key, value in state.items() if not key.startswith(CLASSIFIERS)})
    except (RuntimeError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: not the weights of {type(network).__name__} ({reason})") from None
