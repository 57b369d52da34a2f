"""Arm and leg positions from which poses are sampled. Angles in degrees.

A limb is (upper abduction, upper swing, lower abduction, lower swing): abduction lifts it away from the body's middle,
swing lifts it forward; both halves are measured against the body, so (0, 0, 0, 90) is a forearm held out to the front.
"""

from typing import Final

Limb = tuple[float, float, float, float]

ARMS: Final[dict[str, Limb]] = {
    "rest": (10, 0, 5, 8),
    "relaxed": (15, -6, 8, 20),
    "loose": (20, 2, 14, 12),
    "hip": (48, -16, -50, 14),
    "pocket": (24, -18, -8, 18),
    "forward": (8, 26, 4, 52),
    "backward": (10, -28, 6, -10),
    "raised": (152, 4, 168, 6),
    "wave": (72, 4, 160, 12),
    "spread": (80, 2, 84, 6),
    "out": (45, 4, 40, 12),
    "chin": (16, 26, -32, 132),
    "behind": (20, -24, -36, -18),
    "clasped": (14, 16, -36, 42),
    "carry": (12, -4, 4, 82),
    "nape": (116, 2, -142, -6),
}

ARM_PAIRS: Final[tuple[tuple[str, str, float], ...]] = (
    ("rest", "rest", 4),
    ("relaxed", "relaxed", 4),
    ("loose", "loose", 2),
    ("forward", "backward", 5),
    ("hip", "hip", 3),
    ("hip", "relaxed", 4),
    ("pocket", "pocket", 2),
    ("pocket", "loose", 2),
    ("raised", "raised", 1.2),
    ("raised", "hip", 1.5),
    ("wave", "rest", 1.5),
    ("wave", "hip", 1),
    ("spread", "spread", 0.8),
    ("out", "out", 1.5),
    ("chin", "clasped", 1.5),
    ("chin", "rest", 1.5),
    ("behind", "behind", 1.2),
    ("clasped", "clasped", 1.5),
    ("carry", "relaxed", 2),
    ("nape", "hip", 1),
    ("nape", "nape", 0.7),
)
"""(one arm, other arm, relative frequency)."""

LEG_PAIRS: Final[tuple[tuple[Limb, Limb, float], ...]] = (
    ((3, 0, 2, -2), (3, 0, 2, -2), 5),
    ((10, 0, 9, -3), (10, 0, 9, -3), 3),
    ((3, 18, 2, 9), (3, -13, 2, -30), 5),
    ((3, 10, 2, 4), (3, -8, 2, -18), 3),
    ((2, -2, 2, -3), (9, 20, 5, -14), 4),
    ((4, 0, 3, -3), (15, 4, 12, -4), 3),
    ((-5, 7, -7, 1), (1, -4, 1, -7), 2.5),
    ((2, 0, 2, -2), (4, 4, 2, -58), 1.2),
    ((2, 0, 2, -3), (5, 48, 3, -30), 0.8),
    ((2, 26, 2, 8), (2, -20, 2, -46), 1.5),
)
"""(one leg, other leg, relative frequency)."""
