"""Limits on what one visitor may request. The line under a field is its help text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits on what one visitor may request."""

    megabytes: float = 20.0
    """Size of an uploaded file."""
    megapixels: float = 30.0
    """Size of an uploaded image."""
    steps: int = 250
    """Sampling steps per image."""
    frames: int = 16
    """Images per interpolation strip."""

    @property
    def bytes(self) -> int:
        """Size of an uploaded file."""
        return round(self.megabytes * 2**20)

    def check(self) -> None:
        """Raises ValueError if a limit would allow nothing."""
        if not all(value > 0 for value in vars(self).values()) or self.frames < 2:
            raise ValueError(f"limits must be above 0, and frames at least 2; got {vars(self)}")
