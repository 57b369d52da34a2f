"""Which pattern a garment has in an image, whatever its phase, and how sharp a figure is.

A pattern out of phase costs as many decibels as a wrong one, and a blurred one fewer; so patterns are compared by how
strong each wavelength and direction is inside the garment. A garment's pixels are known: those that differ between its
renderings with each of the seven patterns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from cfld.mannequin.drawing.body import BodyPose
from cfld.mannequin.drawing.identity import PATTERNS, Array, Identity, Texture
from cfld.mannequin.drawing.rendering import render

Garment: TypeAlias = Literal["upper", "lower"]

WAVELENGTHS: Final = (4.0, 6.0, 9.0, 14.0)
"""Of the bands, in pixels of an image 192 pixels high."""
DIRECTIONS: Final = 8
"""Of the bands, evenly spaced in half a turn."""
CONTRAST: Final = 0.02
"""A pixel belongs to a garment if its pattern changes it by more than this, in [0, 1]."""
LEAST_PIXELS: Final = 100
"""Garments that show fewer pixels, of an image 192 pixels high, are not read."""
HIGH_PASS_SIGMA: Final = 1.5
"""Of the Gaussian blur that `sharpness` subtracts, in pixels of an image 192 pixels high."""


@dataclass(frozen=True)
class Reading:
    """The pattern that an image shows on a garment.

    Attributes:
        pattern: the nearest of the seven in the strength of the bands: right pattern, contrast and sharpness.
        kind: the nearest of the six patterns but plain in the shape of the spectrum, whatever its contrast.
    """

    pattern: str
    kind: str


@dataclass(frozen=True, eq=False)
class GarmentView:
    """A patterned garment of a person in a pose, to read its pattern in images of that pose.

    Attributes:
        texture: of the garment.
        pixels: bool (H, W), the garment's.
        plain: (H, W, 3) in [0, 1], the person with the garment plain.
        spectra: the true spectrum of each of the seven patterns.
    """

    texture: Texture
    pixels: NDArray[np.bool_]
    plain: Array
    spectra: Mapping[str, Spectrum]

    def read(self, image: Array) -> Reading:
        """Reads the pattern in an image of the same person and pose, (H, W, 3) in [0, 1]."""
        found = self.spectrum(image)
        pattern = min(PATTERNS, key=lambda name: found.distance(self.spectra[name]))
        kind = min(PATTERNS[1:], key=lambda name: found.shape_distance(self.spectra[name]))
        return Reading(pattern, kind)

    def reads_right(self, image: Array) -> tuple[bool, bool]:
        """Whether the pattern and its kind are read right in an image, (H, W, 3) in [0, 1]."""
        reading = self.read(image)
        return reading.pattern == self.texture.pattern, reading.kind == self.texture.pattern

    def spectrum(self, image: Array) -> Spectrum:
        """The spectrum of an image, (H, W, 3) in [0, 1], along the axis from base to accent colour."""
        axis = np.subtract(self.texture.accent, self.texture.base)
        accent = np.clip((image - self.plain) @ axis / (axis @ axis), -1, 2)
        return spectrum(np.asarray(accent, dtype=np.float32), self.pixels)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """How much of a pattern's accent a garment shows.

    Attributes:
        bands: (32,), root mean square amplitude in each band.
        share: mean share of the accent.
        deviation: standard deviation of that share.
    """

    bands: Array
    share: float
    deviation: float

    def distance(self, other: Spectrum) -> float:
        """Of the bands, and half that of share and deviation."""
        rest = abs(self.share - other.share) + abs(self.deviation - other.deviation)
        return float(np.abs(self.bands - other.bands).sum()) + 0.5 * rest

    def shape_distance(self, other: Spectrum) -> float:
        """Of the bands, each as a share of all."""
        mine, others = (s.bands / (s.bands.sum() + 1e-6) for s in (self, other))
        return float(np.abs(mine - others).sum())


def patterned_garments(identity: Identity) -> tuple[Garment, ...]:
    """The garments of a person that have a pattern."""
    garments: tuple[Garment, ...] = ("upper", "lower")
    return tuple(which for which in garments if getattr(identity, which).texture.pattern != "plain")


def garment_views(identity: Identity, pose: BodyPose, size: tuple[int, int]) -> Iterator[GarmentView]:
    """The patterned garments that a pose shows, but for those of which `LEAST_PIXELS` cannot be seen.

    Args:
        size: (height, width) of the images.
    """
    for which in patterned_garments(identity):
        view = _view(identity, which, pose, size)
        if view.pixels.sum() >= LEAST_PIXELS * (size[0] / 192) ** 2:
            yield view


def _view(identity: Identity, which: Garment, pose: BodyPose, size: tuple[int, int]) -> GarmentView:
    images = {name: _wearing(identity, which, name, pose, size) for name in PATTERNS}
    change = np.max([np.abs(image - images["plain"]).max(axis=2) for image in images.values()], axis=0)
    texture: Texture = getattr(identity, which).texture
    view = GarmentView(texture, change > CONTRAST, images["plain"], {})
    return replace(view, spectra={name: view.spectrum(image) for name, image in images.items()})


def _wearing(identity: Identity, which: Garment, pattern: str, pose: BodyPose, size: tuple[int, int]) -> Array:
    garment = getattr(identity, which)
    changed = replace(garment, texture=replace(garment.texture, pattern=pattern))
    changes: dict[str, Any] = {which: changed}
    return render(replace(identity, **changes), pose, size=size).astype(np.float32) / 255


def spectrum(accent: Array, pixels: NDArray[np.bool_]) -> Spectrum:
    """The spectrum of a map (H, W) inside the given pixels, by Gabor filters without a mean."""
    count = pixels.sum() + 1e-6
    inside = np.where(pixels, accent, 0)
    mean = float(inside.sum() / count)
    rows, columns = (np.flatnonzero(pixels.any(axis)) for axis in (1, 0))
    if not rows.size:
        return Spectrum(np.zeros(len(WAVELENGTHS) * DIRECTIONS), 0.0, 0.0)
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    window = pixels[box]
    wave = (inside[box] - mean) * window
    filters = gabor_bank(_padded(window.shape, accent.shape[0] / 192), accent.shape[0] / 192)
    responses = np.fft.ifft2(np.fft.fft2(wave, filters.shape[1:]) * filters)[:, : window.shape[0], : window.shape[1]]
    bands = np.sqrt((np.abs(responses) ** 2 * window).sum((1, 2)) / count)
    return Spectrum(bands, mean, float(np.sqrt((wave**2).sum() / count)))


def _padded(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """A size that leaves room for the widest filter, so that opposite edges do not meet; a multiple of 32."""
    room = int(np.ceil(WAVELENGTHS[-1] * scale))
    height, width = (32 * -(-(side + room) // 32) for side in shape)
    return height, width


@lru_cache(maxsize=64)
def gabor_bank(shape: tuple[int, int], scale: float = 1.0) -> NDArray[np.float64]:
    """The filters as (32, H, W) in frequencies: Gaussians around each wave, less their value at frequency 0.

    Args:
        scale: height of the images divided by 192.
    """
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :]
    filters = []
    for wavelength in WAVELENGTHS:
        length = wavelength * scale
        narrow = 2 * (np.pi * 0.45 * length) ** 2  # the envelope's deviation is 0.45 wavelengths
        for angle in np.arange(DIRECTIONS) * np.pi / DIRECTIONS:
            wave = np.exp(-narrow * ((fx - np.cos(angle) / length) ** 2 + (fy - np.sin(angle) / length) ** 2))
            filters.append(wave - np.exp(-narrow / length**2) * np.exp(-narrow * (fx**2 + fy**2)))
    return np.stack(filters)


def figure_pixels(identity: Identity, pose: BodyPose, size: tuple[int, int]) -> NDArray[np.bool_]:
    """bool (H, W): the person, without backdrop and shadow; what another brightness of the backdrop does not change."""
    lit, dim = (render(replace(identity, backdrop=backdrop), pose, size=size) for backdrop in (0.9, 0.5))
    return np.asarray((lit == dim).all(axis=2))


def sharpness(image: Array, truth: Array, pixels: NDArray[np.bool_]) -> float:
    """Standard deviation of the finest details in an image divided by that in the true image.

    Args:
        image, truth: (H, W, 3).
        pixels: bool (H, W), where to compare.
    """
    found, true = (details(x)[pixels].std() for x in (image, truth))
    return float(found / true)


def details(image: Array) -> Array:
    """(H, W, 3), an image less its Gaussian blur."""
    sigma = HIGH_PASS_SIGMA * image.shape[0] / 192
    return image - cv2.GaussianBlur(image, (0, 0), sigma)
