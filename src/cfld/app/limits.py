"""Limits on what one visitor may request. The line under a field is its help text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cfld.ranges import Frames, Range, check_ranges


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits on what one visitor may request."""

    megabytes: Annotated[float, Range(0, 1024, above=True)] = 20.0
    """Maximum size of an uploaded file in MB (2**20 bytes)."""
    megapixels: Annotated[float, Range(0, 1000, above=True)] = 30.0
    """Maximum size of an uploaded image in megapixels."""
    steps: Annotated[int, Range(1, 1000)] = 250
    """Maximum number of sampling steps per image."""
    frames: Frames = 16
    """Maximum number of images per interpolation strip."""

    @property
    def bytes(self) -> int:
        """Maximum size of an uploaded file in bytes."""
        return round(self.megabytes * 2**20)

    def check(self) -> None:
        """Raises ValueError if a limit would allow nothing."""
        check_ranges(self)
