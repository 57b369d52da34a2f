"""Identities: proportions, skin, hair, garments with textures, shoes. All lengths in body heights."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Colour = tuple[float, float, float]
"""Red, green, blue in [0, 1]."""
BLACK: Final[Colour] = (0.0, 0.0, 0.0)

SKINS: Final = ("#f6d7c0", "#eec1a0", "#dba67e", "#c68b5e", "#a06a42", "#7c4e30", "#59351f")
HAIRS: Final = ("#17130f", "#2e1e14", "#5a3820", "#8a5a2c", "#caa25a", "#e2c88a", "#a23d1c", "#8f8f92", "#7a2f5c")
HAIR_STYLES: Final = ("short", "crop", "bob", "long", "bun", "ponytail", "bald")
UPPER_KINDS: Final = ("t-shirt", "shirt", "jacket", "hoodie", "tank", "dress")
LOWER_KINDS: Final = ("trousers", "shorts", "skirt")
SHOE_KINDS: Final = ("sneakers", "boots", "flats")
PATTERNS: Final = ("plain", "hoops", "pinstripes", "checks", "dots", "diagonal", "blotches")
MOTIFS: Final = ("none", "star", "heart", "disc", "ring", "digit", "triangle", "band")
TORSO_AND_LEGS: Final = 0.787
"""Length from neck to ankles in body heights, the same for all people."""


@dataclass(frozen=True)
class Texture:
    """A pattern in garment coordinates, around the body part and along it.

    Attributes:
        pattern: one of `PATTERNS`; base, accent: its two colours.
        period: repeat length, in body heights; duty: share of the period that is accent, in (0, 1).
    """

    pattern: str
    base: Colour
    accent: Colour
    period: float = 0.05
    duty: float = 0.4


@dataclass(frozen=True)
class Print:
    """A motif on chest or back. `size`: half its height; `digit`: shown by the motif "digit"."""

    motif: str = "none"
    colour: Colour = (1.0, 1.0, 1.0)
    size: float = 0.04
    digit: int = 0


@dataclass(frozen=True)
class Proportions:
    """Lengths in body heights, and `build`, a factor of every girth."""

    head: float
    shoulder: float
    waist: float
    hip: float
    torso: float
    upper_arm: float
    forearm: float
    thigh: float
    shin: float
    build: float


@dataclass(frozen=True)
class Hair:
    """`style`: one of `HAIR_STYLES`; `length`: of hanging hair, in body heights; `fringe`: in [0, 1]."""

    style: str
    colour: Colour
    length: float
    fringe: float


@dataclass(frozen=True)
class Upper:
    """The upper garment. `sleeve`: covered share of the arm in [0, 1]; `hem`: its length, in torso lengths."""

    kind: str
    texture: Texture
    sleeve: float
    hem: float
    ease: float
    trim: Colour
    inner: Colour
    chest: Print
    back: Print


@dataclass(frozen=True)
class Lower:
    """The lower garment. `length`: covered share of the leg in [0, 1]; `flare`: widening towards its hem."""

    kind: str
    texture: Texture
    length: float
    flare: float
    belt: Colour


@dataclass(frozen=True)
class Shoes:
    """`shaft`: share of the shin covered by a boot, in [0, 1]."""

    kind: str
    colour: Colour
    sole: Colour
    shaft: float


@dataclass(frozen=True)
class Identity:
    """Everything about a person that does not depend on the pose."""

    proportions: Proportions
    skin: Colour
    lips: Colour
    eyes: Colour
    hair: Hair
    upper: Upper
    lower: Lower
    shoes: Shoes
    backdrop: float


@lru_cache(maxsize=128)
def sample_identity(seed: int) -> Identity:
    """Samples a person; the same for a seed on every machine."""
    rng = np.random.default_rng([checked_seed(seed), 1])
    slender = float(rng.uniform())
    skin = _jitter(rng, rgb(str(rng.choice(SKINS))), 0.02)
    hue = float(rng.uniform())
    upper = _sample_upper(rng, hue, slender)
    return Identity(
        proportions=_sample_proportions(rng, slender),
        skin=skin,
        lips=mix(skin, (0.75, 0.2, 0.25), float(rng.uniform(0.25, 0.7))),
        eyes=rgb(str(rng.choice(("#2a1a10", "#3f6a8a", "#4a6a3a", "#1a1512")))),
        hair=_sample_hair(rng, slender),
        upper=upper,
        lower=_sample_lower(rng, hue, upper, slender),
        shoes=_sample_shoes(rng),
        backdrop=float(rng.uniform(0.86, 0.95)),
    )


def rgb(code: str) -> Colour:
    """Parses `#rrggbb`."""
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Linear interpolation from `first` to `second`."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def checked_seed(seed: int) -> int:
    """Raises ValueError for a negative seed."""
    if seed < 0:
        raise ValueError(f"a random seed must be a non-negative integer, got {seed}")
    return int(seed)


def _jitter(rng: np.random.Generator, colour: Colour, amount: float) -> Colour:
    red, green, blue = (float(np.clip(c + rng.uniform(-amount, amount), 0, 1)) for c in colour)
    return red, green, blue


def _sample_proportions(rng: np.random.Generator, slender: float) -> Proportions:
    """`slender` in [0, 1] interpolates from broad shoulders and a straight waist to narrow shoulders, waist and hips.

    Torso and legs have a constant sum: body height cannot be seen in an image, so the joints must not reveal it.
    """
    rng.uniform(size=2)  # unused, but keeps the random stream, and so the person of a seed, unchanged
    return Proportions(
        head=float(rng.uniform(0.98, 1.1)),
        shoulder=0.107 - 0.014 * slender + float(rng.uniform(-0.004, 0.004)),
        waist=0.100 - 0.020 * slender + float(rng.uniform(-0.004, 0.008)),
        hip=0.100 + 0.010 * slender + float(rng.uniform(-0.004, 0.006)),
        torso=(torso := 0.315 * float(rng.uniform(0.97, 1.03))),
        upper_arm=0.165 * float(rng.uniform(0.96, 1.04)),
        forearm=0.140 * float(rng.uniform(0.96, 1.04)),
        thigh=0.506 * (TORSO_AND_LEGS - torso),
        shin=0.494 * (TORSO_AND_LEGS - torso),
        build=float(rng.choice([0.88, 0.96, 1.0, 1.06, 1.16])) * float(rng.uniform(0.98, 1.02)),
    )


def _sample_hair(rng: np.random.Generator, slender: float) -> Hair:
    long = slender > 0.45
    shares = (0.12, 0.06, 0.2, 0.26, 0.16, 0.2, 0.0) if long else (0.42, 0.32, 0.06, 0.04, 0.02, 0.04, 0.1)
    style = str(rng.choice(HAIR_STYLES, p=shares))
    colour = _jitter(rng, rgb(str(rng.choice(HAIRS, p=(0.2, 0.2, 0.16, 0.12, 0.1, 0.08, 0.08, 0.04, 0.02)))), 0.02)
    return Hair(style, colour, length=float(rng.uniform(0.13, 0.24)), fringe=float(rng.uniform(0, 1)))


def _garment_colour(rng: np.random.Generator, hue: float) -> Colour:
    """A bold, a pastel, a dark or a neutral colour around `hue`."""
    mood = int(rng.choice(5, p=(0.36, 0.18, 0.18, 0.16, 0.12)))
    hue = (hue + float(rng.normal(0, 0.03))) % 1.0
    saturation, value = ((0.8, 0.82), (0.38, 0.93), (0.6, 0.34), (0.05, 0.9), (0.08, 0.2))[mood]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return _jitter(rng, (red, green, blue), 0.03)


def _contrast(rng: np.random.Generator, base: Colour, hue: float) -> Colour:
    """A colour in contrast to `base`."""
    candidates = [_garment_colour(rng, hue + float(rng.choice([0.08, 0.33, 0.5, 0.6]))) for _ in range(5)]
    candidates += [(0.95, 0.94, 0.92), (0.1, 0.1, 0.13)]
    return max(candidates, key=lambda c: sum(abs(a - b) for a, b in zip(c, base, strict=True)) * rng.uniform(0.55, 1))


def _sample_texture(rng: np.random.Generator, hue: float, plain: float) -> Texture:
    """`plain`: probability of a garment without pattern."""
    base = _garment_colour(rng, hue)
    pattern = "plain" if rng.uniform() < plain else str(rng.choice(PATTERNS[1:]))
    accent = _contrast(rng, base, hue)
    return Texture(pattern, base, accent, period=float(rng.uniform(0.036, 0.068)), duty=float(rng.uniform(0.28, 0.5)))


def _sample_print(rng: np.random.Generator, base: Colour, hue: float, chance: float) -> Print:
    if rng.uniform() > chance:
        return Print()
    motif, colour = str(rng.choice(MOTIFS[1:])), _contrast(rng, base, hue)
    return Print(motif, colour, size=float(rng.uniform(0.036, 0.05)), digit=int(rng.integers(10)))


def _sample_upper(rng: np.random.Generator, hue: float, slender: float) -> Upper:
    shares = (0.24, 0.16, 0.14, 0.12, 0.12, 0.22) if slender > 0.5 else (0.36, 0.22, 0.18, 0.18, 0.06, 0.0)
    kind = str(rng.choice(UPPER_KINDS, p=shares))
    texture = _sample_texture(rng, hue, plain=0.75 if kind == "hoodie" else 0.42)
    can_print = texture.pattern == "plain" and kind in ("t-shirt", "tank", "hoodie")
    long, short = float(rng.uniform(0.9, 0.97)), float(rng.uniform(0.3, 0.42))
    sleeve = {"jacket": long, "hoodie": long, "tank": 0.0}.get(kind, float(rng.choice([long, short, short, 0.72])))
    return Upper(
        kind,
        texture,
        sleeve=0.0 if kind == "dress" and rng.uniform() < 0.35 else sleeve,
        hem=float(rng.choice([0.72, 0.95, 1.02, 1.08])) if kind != "jacket" else float(rng.uniform(1.02, 1.22)),
        ease={"jacket": 0.010, "hoodie": 0.010, "shirt": 0.005}.get(kind, 0.003) + float(rng.uniform(0, 0.004)),
        trim=_contrast(rng, texture.base, hue) if rng.uniform() < 0.4 else mix(texture.base, BLACK, 0.25),
        inner=_contrast(rng, texture.base, hue + 0.4),
        chest=_sample_print(rng, texture.base, hue, 0.85 if can_print else 0.0),
        back=_sample_print(rng, texture.base, hue + 0.2, 0.3 if can_print else 0.0),
    )


def _sample_lower(rng: np.random.Generator, hue: float, upper: Upper, slender: float) -> Lower:
    belt = rgb(str(rng.choice(("#2a1c14", "#6a4426", "#111113", "#c9b28a"))))
    if upper.kind == "dress":
        return Lower("skirt", upper.texture, float(rng.uniform(0.34, 0.72)), float(rng.uniform(0.02, 0.07)), upper.trim)
    kind = str(rng.choice(LOWER_KINDS, p=(0.5, 0.18, 0.32) if slender > 0.5 else (0.76, 0.24, 0.0)))
    texture = _sample_texture(rng, hue + float(rng.choice([0.3, 0.5, 0.65])), plain=0.68)
    if kind == "trousers" and rng.uniform() < 0.35:
        texture = Texture("plain", _jitter(rng, rgb("#3b5f92"), 0.06), texture.accent)
    low, high = {"trousers": (0.92, 1.0), "shorts": (0.24, 0.44), "skirt": (0.28, 0.78)}[kind]
    flare = float(rng.uniform(0.0, 0.028)) if kind != "skirt" else float(rng.uniform(0.01, 0.07))
    return Lower(kind, texture, float(rng.uniform(low, high)), flare, belt)


def _sample_shoes(rng: np.random.Generator) -> Shoes:
    kind = str(rng.choice(SHOE_KINDS, p=(0.5, 0.28, 0.22)))
    colour = _garment_colour(rng, float(rng.uniform()))
    sole = {"sneakers": (0.97, 0.97, 0.96), "boots": (0.12, 0.1, 0.09)}.get(kind, mix(colour, BLACK, 0.5))
    return Shoes(kind, colour, sole, shaft=float(rng.uniform(0.22, 0.75)) if kind == "boots" else 0.0)
