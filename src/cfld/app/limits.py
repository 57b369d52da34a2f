"""What strangers may ask for. The line under a field is its help text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one visitor may ask for."""

    megabytes: float = 20.0
    """Of one uploaded file."""
    megapixels: float = 30.0
    """Of one uploaded image."""
    steps: int = 250
    """Sampling steps of one image."""
    frames: int = 16
    """Images of one strip."""

    @property
    def bytes(self) -> int:
        """Of one uploaded file."""
        return round(self.megabytes * 2**20)

    def check(self) -> None:
        """Raises ValueError when nothing would be allowed."""
        if not all(value > 0 for value in vars(self).values()) or self.frames < 2:
            raise ValueError(f"limits must be above 0, and a strip has 2 images at least; got {vars(self)}")
