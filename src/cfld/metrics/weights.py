"""Published weights: which file, where it is, whether it is the right one."""

from __future__ import annotations

import hashlib
import pickle
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from cfld.metrics.lpips import LPIPS, published_heads
from cfld.metrics.networks import Backbone, BackboneKind, InceptionKind, InceptionV3


@dataclass(frozen=True)
class WeightFile:
    """A published file; its name holds the first eight digits of its SHA-256, as is usual for torch's hub."""

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


@dataclass(frozen=True)
class Loaded:
    """A network with its weights.

    Attributes:
        network: in evaluation mode.
        file: the weights' file name.
        sha256: of the weights' file.
        published: whether it is the published file.
    """

    network: nn.Module
    file: str
    sha256: str
    published: bool


def load_inception(kind: InceptionKind, folder: Path | None = None) -> Loaded:
    """Inception-v3 with the published weights; arguments and errors as `obtain` and `load_weights`."""
    network = InceptionV3(kind)
    return _load(network, network, INCEPTION_FILES[kind], folder)


def load_lpips(kind: BackboneKind, folder: Path | None = None) -> Loaded:
    """LPIPS on the published backbone and heads; arguments and errors as `obtain` and `load_weights`."""
    backbone = Backbone(kind)
    return _load(LPIPS(backbone, published_heads(kind)), backbone, BACKBONE_FILES[kind], folder)


def obtain(file: WeightFile, folder: Path | None = None) -> Path:
    """The file in `folder`, downloaded into it, and checked, where it is not there yet.

    Args:
        folder: none = where torch's hub keeps such files.

    Raises:
        FileNotFoundError: saying which file to put where, when it is not there and cannot be had.
    """
    path = (folder or Path(torch.hub.get_dir()) / "checkpoints") / file.name
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(file.url, str(path), hash_prefix=file.sha256_prefix)
    except (OSError, RuntimeError) as error:
        with suppress(OSError):
            path.parent.rmdir()  # where nothing else is in it
        raise FileNotFoundError(
            f"no {path} here, and {file.url} does not give it ({' '.join(str(error).split())}); put the file there, "
            "or name the folder that holds it with --weights"
        ) from None
    return path


def load_weights(network: nn.Module, path: Path) -> None:
    """Loads a torchvision state dict: every weight of `network` must be there, what only a classifier needs may be.

    Raises:
        ValueError: naming the file and the keys that do not fit, or saying that it is no such file.
    """
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        given = {key: value for key, value in state.items() if not key.startswith(("AuxLogits.", "fc.", "classifier."))}
    except (OSError, RuntimeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path}: no file of weights ({' '.join(str(error).split())[:100]})") from None
    wanted = network.state_dict()
    counts = {key for key in wanted if key.endswith("num_batches_tracked")}
    wrong = sorted((wanted.keys() - counts) ^ (given.keys() - counts))
    wrong += [key for key in wanted.keys() & given.keys() if wanted[key].shape != given[key].shape]
    if wrong:
        some = ", ".join(wrong[:3]) + (", ..." if len(wrong) > 3 else "")
        raise ValueError(f"{path}: {len(wrong)} weights are missing, unexpected or of another shape ({some})")
    network.load_state_dict({**wanted, **given})


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _load(network: nn.Module, weighted: nn.Module, file: WeightFile, folder: Path | None) -> Loaded:
    path = obtain(file, folder)
    load_weights(weighted, path)
    digest = sha256(path)
    return Loaded(network.eval().requires_grad_(False), file.name, digest, digest.startswith(file.sha256_prefix))
