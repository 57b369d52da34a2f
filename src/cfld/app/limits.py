"""Limits on what visitors may request. The line under a field is its help text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cfld.ranges import Frames, Range, check_ranges


class LimitReachedError(ValueError):
    """One visitor, or all together, have reached a limit; a later attempt can succeed."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits on what visitors may request. A visitor is a network address: those behind one router are one."""

    megabytes: Annotated[float, Range(0, 1024, above=True)] = 20.0
    """Maximum size of an uploaded file in MB (2**20 bytes)."""
    megapixels: Annotated[float, Range(0, 1000, above=True)] = 30.0
    """Maximum size of an uploaded image in megapixels; also of all images that are decoded at the same time."""
    side: Annotated[int, Range(64, 30_000)] = 2048
    """Maximum height and width of an image in pixels; larger uploads are reduced to it."""
    steps: Annotated[int, Range(1, 1000)] = 250
    """Maximum number of sampling steps per image."""
    frames: Frames = 16
    """Maximum number of images per interpolation strip."""
    requests: Annotated[int, Range(1, 10_000)] = 10
    """Maximum number of requests of one visitor that wait or run at the same time."""
    pages: Annotated[int, Range(1, 10_000)] = 40
    """Maximum number of open pages of one visitor; the files of those that were not used for longest are removed."""
    visitor_megabytes: Annotated[float, Range(0, 10_000_000, above=True)] = 1000.0
    """Maximum size in MB of one visitor's uploads and results."""
    sessions: Annotated[int, Range(1, 10_000)] = 200
    """Maximum number of open pages of all visitors."""
    total_megabytes: Annotated[float, Range(0, 10_000_000, above=True)] = 4000.0
    """Maximum size in MB of all visitors' uploads and results."""

    @property
    def bytes(self) -> int:
        """Maximum size of an uploaded file in bytes."""
        return round(self.megabytes * 2**20)

    @property
    def pixels(self) -> int:
        """Maximum size of an uploaded image in pixels."""
        return round(self.megapixels * 1e6)

    def check(self) -> None:
        """Raises ValueError if a limit would allow nothing."""
        check_ranges(self)
