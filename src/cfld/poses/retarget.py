"""Pose retargeting: the target's bone directions with the source's bone lengths, at the source's position.

In an image, a bone appears shortened by its angle to the image plane. Its full length is estimated as its apparent
length or that of its mirror bone, whichever is longer, but at least `MIN_LENGTH` of the length in an adult of that
size. The ratio of apparent to full length is the foreshortening. The result combines the source's full lengths with the
target's foreshortenings and directions. So a child's pose on an adult keeps the adult's size, an arm that points at the
viewer stays short, and retargeting a pose to its own body returns that pose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cfld.poses.keypoints import Keypoints
from cfld.poses.skeleton import BONES, JOINTS, MIRROR, NUM_JOINTS

Bone: TypeAlias = tuple[int, int]
"""(joint nearer to the neck, other joint)."""
Lengths: TypeAlias = Mapping[Bone, float]
"""Bone -> length in pixels."""
NECK: Final = JOINTS.index("neck")
HIPS: Final = (JOINTS.index("right_hip"), JOINTS.index("left_hip"))
PARENT: Final = {child: parent for parent, child in BONES}
"""Child joint -> parent joint of the skeleton, whose root is the neck."""
HEAD: Final = tuple((NECK, JOINTS.index(name)) for name in ("right_eye", "left_eye", "right_ear", "left_ear"))
"""Bones of eyes and ears if the nose is hidden, as from behind: the head is rigid."""
LENGTHS: Final = {
    **{"nose": 0.115, "eye": 0.03, "ear": 0.05, "shoulder": 0.129, "elbow": 0.186, "wrist": 0.146},
    **{"hip": 0.292, "knee": 0.245, "ankle": 0.246},
}
"""Full length of the bone that ends in a joint, in body heights of an adult (Drillis and Contini, 1966, in Winter,
Biomechanics and Motor Control of Human Movement; hip: the diagonal of trunk and half the hip breadth; those of the face
are approximate)."""
HEAD_LENGTH: Final = 0.13
"""Of the bones in `HEAD`; approximate."""
BODY: Final = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
"""Joints whose bones determine the size of a body; not the head, which is relatively larger in children."""
MIN_LENGTH: Final = 0.7
"""Minimum full length relative to an adult's: a bone that appears shorter counts as foreshortened."""


def retarget(source: Keypoints, target: Keypoints) -> Keypoints:
    """Transfers the target pose to the body of the source.

    The midpoint of the hips stays at its position in the source; if it is missing, the neck; if that is missing too,
    the centroid of the common joints. Joints missing in the target are missing in the result. A joint whose parent is
    missing in the target is placed relative to its nearest visible ancestor, at the scaled distance of the target. A
    bone that is missing in the source has the length of its mirror bone, or else an adult's.

    Returns:
        the pose in the source's frame.

    Raises:
        ValueError: if the poses have no joint in common, or either has no visible bone of trunk or limbs.
    """
    return retarget_all(source, [target])[0]


def retarget_all(source: Keypoints, targets: Sequence[Keypoints]) -> list[Keypoints]:
    """`retarget` for several poses of one target body, such as the frames of an animation.

    A bone's length is the longest in any of the poses, so that the size of the result does not vary between frames.
    """
    own, poses = _shown_lengths(source), [_shown_lengths(target) for target in targets]
    shown = {bone: max(pose[bone] for pose in poses if bone in pose) for bone in set().union(*poses)}
    sizes = body_height(own), body_height(shown)
    full = full_lengths(own, sizes[0]), full_lengths(shown, sizes[1])
    scales = {bone: full[0][bone] / full[1][bone] for bone in full[0]}
    return [_retargeted(source, target, scales, sizes[0] / sizes[1]) for target in targets]


def _retargeted(source: Keypoints, target: Keypoints, scales: Lengths, scale: float) -> Keypoints:
    """`scales`: factor of each bone; `scale`: factor of all other distances."""
    yx = np.full((NUM_JOINTS, 2), np.nan)
    placed: list[int] = []
    for joint in filter(target.visible.__getitem__, _outwards()):
        ancestor = _ancestor(joint, placed)
        if ancestor is None:
            yx[joint] = target.yx[joint] * scale
        else:
            bone = (target.yx[joint] - target.yx[ancestor]).astype(np.float64)
            yx[joint] = yx[ancestor] + bone * scales.get((ancestor, joint), scale)
        placed.append(joint)
    return Keypoints((yx + _anchor(source, yx)).astype(np.float32), source.frame)


def body_height(shown: Lengths) -> float:
    """Body height in pixels of an adult whose relatively longest visible bone of trunk or limbs has its full length.

    Args:
        shown: apparent lengths.

    Raises:
        ValueError: if there is no bone of trunk or limbs.
    """
    heights = [length / _usual(bone) for bone, length in shown.items() if _kind(bone[1]) in BODY]
    if not heights or max(heights) == 0:
        raise ValueError("a pose has no visible bone of trunk, arms or legs, so the size of the person is unknown")
    return max(heights)


def full_lengths(shown: Lengths, height: float) -> Lengths:
    """Estimates the full lengths of all bones, including those in `HEAD`; see the module's docstring.

    Args:
        shown: apparent lengths.
        height: the result of `body_height`.
    """
    lengths = {}
    for bone in (*BONES, *HEAD):
        usual, twin = _usual(bone) * height, (MIRROR[bone[0]], MIRROR[bone[1]])
        seen = [shown[one] for one in (bone, twin) if one in shown]
        lengths[bone] = max(*seen, MIN_LENGTH * usual) if seen else usual
    return lengths


def _shown_lengths(pose: Keypoints) -> Lengths:
    """Apparent lengths of the bones with both joints visible."""
    there = [bone for bone in (*BONES, *HEAD) if pose.visible[list(bone)].all()]
    return {bone: float(np.linalg.norm(pose.yx[bone[1]] - pose.yx[bone[0]])) for bone in there}


def _usual(bone: Bone) -> float:
    """Length in an adult, in body heights."""
    return HEAD_LENGTH if bone in HEAD else LENGTHS[_kind(bone[1])]


def _kind(joint: int) -> str:
    return JOINTS[joint].rpartition("_")[2]


def _outwards() -> list[int]:
    """All joints, each after its parent."""
    order = [NECK]
    while len(order) < NUM_JOINTS:
        order += [child for child, parent in PARENT.items() if parent in order and child not in order]
    return order


def _ancestor(joint: int, placed: Sequence[int]) -> int | None:
    """The nearest ancestor already placed; if the neck is missing, any joint already placed."""
    parent = PARENT.get(joint)
    while parent is not None and parent not in placed:
        parent = PARENT.get(parent)
    return next(iter(placed), None) if parent is None else parent


def _anchor(source: Keypoints, yx: NDArray[np.float64]) -> NDArray[np.float64]:
    """The translation of `yx` to the position of the source."""
    there = source.visible & np.isfinite(yx).all(axis=1)
    for joints in (list(HIPS), [NECK], np.flatnonzero(there).tolist()):
        if joints and there[joints].all():
            return np.asarray((source.yx[joints] - yx[joints]).mean(axis=0))
    raise ValueError("source and target pose have no joint in common, so the position of the person is unknown")
