"""`cfld download`: published files, fetched with progress, continued after an interruption, and verified.

cfld download pose
cfld download rtmpose
cfld download sd15 --to downloads/sd15
cfld download cfld --to downloads/cfld
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from tyro.conf import Positional

from cfld.claims import Output
from cfld.cli.options import option

if TYPE_CHECKING:
    from cfld.downloads import PublishedFile

BACKENDS: Final = {"pose": "mediapipe", "rtmpose": "rtmpose"}
"""Download -> the backend that uses it."""
CHECKPOINT: Final = ("pytorch_model.bin", "pytorch_model_1.bin")


@dataclass(frozen=True, kw_only=True)
class Download:
    """Download published files: a pose detector, Stable Diffusion 1.5, or the authors' checkpoint."""

    what: Positional[Literal["pose", "rtmpose", "sd15", "sd15-unet", "cfld"]]
    """pose: MediaPipe's pose landmarker (9 MB). rtmpose: DWPose and YOLOX (351 MB). sd15: VAE and noise schedule of
    Stable Diffusion 1.5 (335 MB), which the released checkpoint needs. sd15-unet: its UNet (3.4 GB), which training
    starts from. cfld: the authors' checkpoint on Google Drive: says where, and checks the files."""
    to: Annotated[
        Path | None,
        Output("shared folder"),
        option("Folder to write.", "of pose and rtmpose, the one where all commands look for them"),
    ] = None

    def run(self) -> None:
        if self.to is None and self.what not in BACKENDS:
            raise ValueError(f"cfld download {self.what} needs --to, the folder for its files")
        if self.to is not None and self.what == "cfld":
            check_checkpoint(self.to)
            print(f"{self.to}: {' and '.join(CHECKPOINT)} are there; next: cfld convert --checkpoint {self.to} ...")
            return
        for place, file in published_files(self.what):
            path = file.obtain(None if self.to is None else self.to / place)
            print(f"{path}: {verified(file, path)}")


def published_files(what: str) -> list[tuple[str, PublishedFile]]:
    """The files of a download, each with its folder below `--to`."""
    from cfld import downloads
    from cfld.poses.detectors import files

    if what in BACKENDS:
        return [("", file) for file in files.BACKENDS[BACKENDS[what]][1]]
    unet = what == "sd15-unet"
    return [(place, f) for place, f in downloads.STABLE_DIFFUSION if (place == "unet") == unet]


def check_checkpoint(folder: Path) -> None:
    """Checks that the authors' two files are there, and whole archives.

    Raises:
        FileNotFoundError: naming the files that are missing, where they are, and what to do.
        ValueError: naming a file that is not whole.
    """
    if missing := [name for name in CHECKPOINT if not (folder / name).is_file()]:
        raise FileNotFoundError(
            f"{folder}: {' and '.join(missing)} missing; the authors' README, https://github.com/YanzuoLu/CFLD, links "
            "to the folder on Google Drive (9 March 2024), from which programs cannot download: open it in a browser, "
            "put the files there, and repeat"
        )
    for name in CHECKPOINT:
        if not zipfile.is_zipfile(folder / name):
            size = (folder / name).stat().st_size
            raise ValueError(f"{folder / name}: {size:,} bytes, no whole file of torch.save; download it again")


def verified(file: PublishedFile, path: Path) -> str:
    """A note on the digest of a file.

    Raises:
        ValueError: if it is another file than the published one.
    """
    genuine = file.is_genuine(path)
    if genuine is False:
        raise ValueError(f"{path}: is not the published file, whose SHA-256 is {file.sha256}; remove it and repeat")
    return "no digest is published" if genuine is None else "SHA-256 is that of the published file"
