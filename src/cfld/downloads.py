"""Published files: downloaded when first needed, continued after an interruption, and verified."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch
from tqdm import tqdm

from cfld.claims import claimed

PART: Final = ".part"
"""Follows the name of a file that is not complete."""
CHUNK: Final = 2**20
TIMEOUT: Final = 60.0
"""Seconds without an answer."""
CONVERTED: Final = "models/cfld"
"""Where the tutorial puts the released weights."""
DOWNLOAD: Final = "cfld download cfld --to downloads/cfld && cfld download sd15 --to downloads/sd15"
CONVERT: Final = f"cfld convert --checkpoint downloads/cfld --base downloads/sd15 --out {CONVERTED}"
"""The two steps that lead there."""


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """
    Attributes:
        url: ends with the file's name.
        sha256: of the file, or its first digits; empty = not published, so a download is not verified.
        other_sha256: of other genuine versions, under the same name.
        about: origin, or size and licence.
        alternative: how to use a copy in another place.
    """

    url: str
    sha256: str
    about: str
    alternative: str
    other_sha256: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.name} ({self.about}{f', SHA-256 {self.sha256}' if self.sha256 else ''})"

    def path(self, folder: Path | None = None) -> Path:
        """The file's place in `folder`, by default torch.hub's."""
        return (folder or Path(torch.hub.get_dir()) / "checkpoints") / self.name

    def is_genuine(self, path: Path) -> bool | None:
        """Whether a file has the published digest; None if none is published."""
        return _sha256(path).startswith((self.sha256, *self.other_sha256)) if self.sha256 else None

    def obtain(self, folder: Path | None = None) -> Path:
        """Returns the file's path in `folder`, by default torch.hub's. A missing file is downloaded and verified.

        Raises:
            FileNotFoundError: if it cannot be downloaded; says which file to put where.
        """
        path = self.path(folder)
        if path.is_file():
            return path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with claimed(path, wait=True):
                if not path.is_file():
                    _download(self, path)
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            with suppress(OSError):
                path.parent.rmdir()  # unless it holds other files
            raise FileNotFoundError(
                f"{path} is missing and cannot be downloaded from {self.url} ({' '.join(str(error).split())}); put the "
                f"file there, or {self.alternative}: {self}"
            ) from None
        return path


def _download(file: PublishedFile, path: Path) -> None:
    """Downloads a file; an interruption leaves what there is in `path` + `PART`, with which the next call goes on.

    Raises:
        OSError: if the server does not deliver the file.
        RuntimeError: if it has another digest; it is removed.
    """
    part = path.with_name(path.name + PART)
    with _open(file.url, part.stat().st_size if part.is_file() else 0) as response:
        _receive(response, part, file.name)
    if file.is_genuine(part) is False:
        found = _sha256(part)
        part.unlink()
        raise RuntimeError(f"invalid hash: the file that was downloaded has SHA-256 {found}")
    part.replace(path)


def _open(url: str, start: int) -> Any:
    """The response from byte `start` on, or from the beginning if the server knows no ranges."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if not start or error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        return _open(url, 0)


def _receive(response: Any, part: Path, name: str) -> None:
    resumes = response.status == http.client.PARTIAL_CONTENT
    length = response.headers.get("Content-Length")
    start = part.stat().st_size if resumes else 0
    total = start + int(length) if length else None
    with (
        part.open("ab" if resumes else "wb") as file,
        tqdm(total=total, initial=start, desc=name, unit="B", unit_scale=True, disable=None) as bar,
    ):
        _copy(response, file, bar)
        if total is not None and file.tell() != total:
            raise OSError(f"the connection ended after {file.tell():,} of {total:,} bytes; repeat the command to go on")


def _sha256(path: Path) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            hashed.update(block)
    return hashed.hexdigest()


def _copy(response: Any, file: BinaryIO, bar: Any) -> None:
    while block := response.read(CHUNK):
        file.write(block)
        bar.update(len(block))


def _stable_diffusion(path: str, sha256: str, about: str) -> tuple[str, PublishedFile]:
    file = PublishedFile(
        url=f"https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5/resolve/main/{path}",
        sha256=sha256,
        about=f"{about}, licence CreativeML Open RAIL-M",
        alternative="name the folder that holds it with cfld convert --base",
    )
    return path.rpartition("/")[0], file


STABLE_DIFFUSION: Final = (
    _stable_diffusion("scheduler/scheduler_config.json", "", "below 1 kB"),
    _stable_diffusion("vae/config.json", "", "below 1 kB"),
    _stable_diffusion(
        "vae/diffusion_pytorch_model.safetensors",
        "a2b5134f4dbc140d9c11f11cba3233099e00af40f262f136c691fb7d38d2194c",
        "335 MB",
    ),
    _stable_diffusion("unet/config.json", "", "below 1 kB"),
    _stable_diffusion(
        "unet/diffusion_pytorch_model.safetensors",
        "19da7aaa4b880e59d56843f1fcb4dd9b599c28a1d9d9af7c1143057c8ffae9f1",
        "3,438 MB",
    ),
)
"""Folder below that of Stable Diffusion 1.5, and the file. Text encoder and safety checker are not needed."""
