"""The input files of one request, collected in a folder of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from PIL import Image

from cfld.app.joint_editor import from_value
from cfld.app.limits import LimitReachedError
from cfld.app.sessions import Session, Sessions, unused_path
from cfld.app.settings import POSE
from cfld.app.uploads import UploadReader, painted_mask
from cfld.files import link_or_copy
from cfld.poses.keypoints import save_keypoints

NAME_LENGTH: Final = 80
"""Maximum length of a file name."""


@dataclass(frozen=True)
class InputFiles:
    """The input files of one request.

    Attributes:
        folder: new, used by this request only.
        notes: changes to the files that their owner may not expect.
    """

    folder: Path
    session: Session
    sessions: Sessions
    uploads: UploadReader
    notes: list[str] = field(default_factory=list)

    def add_image(self, value: Any, role: str) -> str:
        """Adds an uploaded image; returns its file name.

        Raises:
            ValueError: if `value` is None or the image is not accepted; the message names its role.
        """
        if value is None:
            raise ValueError(f"the {role} is missing: upload an image or choose an example")
        file = self.folder / self.add_upload(value)
        try:
            with self.uploads.open(file) as upload:
                self.notes.extend(f"{file.name}: {note}" for note in upload.notes)
                return self._replaced(file, upload.image).name if upload.reduced else file.name
        except LimitReachedError:
            raise
        except ValueError as error:
            raise ValueError(f"{role}: {error}") from None

    def _replaced(self, file: Path, image: Image.Image) -> Path:
        file.unlink()
        path = unused_path(self.folder, f"{file.stem}.png")
        image.save(path, compress_level=1)
        return path

    def add_pose(self, value: Any) -> None:
        """Adds the value of a joint editor as the keypoint file `POSE`."""
        save_keypoints(from_value(value), self.folder / POSE)

    def add_mask(self, layers: Sequence[Any], size: tuple[int, int]) -> str:
        """Adds the mask painted in uploaded layers, for an image of this (width, height); returns its file name."""
        path = unused_path(self.folder, "mask.png")
        painted_mask(self.uploads.layers(map(self.uploaded, layers)), size).save(path)
        return path.name

    def add_upload(self, value: Any) -> str:
        """Adds an uploaded file under the name that its owner gave it; returns the name, made safe."""
        name = value.get("orig_name") if isinstance(value, dict) else None
        return add_file(self.uploaded(value), self.folder, name)

    def uploaded(self, value: Any) -> Path:
        """The uploaded file that Gradio's file data (or a path) refers to."""
        return self.sessions.claim_upload(self.session, value.get("path") if isinstance(value, dict) else value)


def add_file(file: Path, folder: Path, name: Any = None) -> str:
    """Links a file into a folder under a safe form of `name` (default: its own); returns the name."""
    path = unused_path(folder, safe_name(str(name or file.name)))
    link_or_copy(file, path)
    return path.name


def safe_name(name: str) -> str:
    """A file name that is neither hidden nor an option of a command, without folders."""
    return re.sub(r"[^\w. ()+-]", "_", Path(name).name[-NAME_LENGTH:]).lstrip("-. ") or "upload"
