"""The 18 joints and 17 bones of the OpenPose body, their order, mirror images and colours.

Indices are positions in every keypoint array of this package. Source: OpenPose (Cao et al., 2019), with the colours of
the authors' release of CFLD.
"""

import colorsys
from typing import Final

JOINTS: Final = (
    "nose", "neck",
    "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
NUM_JOINTS: Final = len(JOINTS)

BONES: Final = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7),  # arms
    (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),  # legs
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),  # head
)  # fmt: skip
JOINT_COLOURS: Final = tuple(
    tuple(round(255 * channel) for channel in colorsys.hsv_to_rgb(joint / NUM_JOINTS, 1.0, 1.0))
    for joint in range(NUM_JOINTS)
)
"""RGB: evenly spaced hues, from red on."""
BONE_BRIGHTNESS: Final = 0.6

MIRROR: Final = tuple(
    JOINTS.index(name.replace("right", "L").replace("left", "right").replace("L", "left")) for name in JOINTS
)
"""`MIRROR[j]`: the joint that joint `j` becomes in the horizontally flipped image."""
