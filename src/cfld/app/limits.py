"""Limits on what one visitor may request. The line under a field is its help text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits on what one visitor may request."""

    megabytes: float = 20.0
    """Maximum size of an uploaded file in MB (2**20 bytes)."""
    megapixels: float = 30.0
    """Maximum size of an uploaded image in megapixels."""
    steps: int = 250
    """Maximum number of sampling steps per image."""
    frames: int = 16
    """Maximum number of images per interpolation strip."""

    @property
    def bytes(self) -> int:
        """Maximum size of an uploaded file in bytes."""
        return round(self.megabytes * 2**20)

    def check(self) -> None:
        """Raises ValueError if a limit would allow nothing."""
        if not all(value > 0 for value in vars(self).values()) or self.frames < 2:
            raise ValueError(f"limits must be above 0, and frames at least 2; got {vars(self)}")
