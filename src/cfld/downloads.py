"""Published files: downloaded when first needed, and verified."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """
    Attributes:
        url: ends with the file's name.
        sha256: of the file, or its first digits.
        about: origin, or size and licence.
        alternative: how to use a copy in another place.
    """

    url: str
    sha256: str
    about: str
    alternative: str

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.name} ({self.about}, SHA-256 {self.sha256})"

    def obtain(self, folder: Path | None = None) -> Path:
        """Returns the file's path in `folder`, by default torch.hub's. A missing file is downloaded and verified.

        Raises:
            FileNotFoundError: if it cannot be downloaded; says which file to put where.
        """
        path = (folder or Path(torch.hub.get_dir()) / "checkpoints") / self.name
        if path.is_file():
            return path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(self.url, str(path), hash_prefix=self.sha256)
        except (OSError, RuntimeError) as error:
            with suppress(OSError):
                path.parent.rmdir()  # unless it holds other files
            raise FileNotFoundError(
                f"{path} is missing and cannot be downloaded from {self.url} ({' '.join(str(error).split())}); put the "
                f"file there, or {self.alternative}: {self}"
            ) from None
        return path
