"""Another body's pose on this body: the target's directions, on the source's bone lengths and in the source's place.

An image shows a bone shortened by its angle to the image plane. A bone's full length is taken to be what it shows,
or what its twin on the other side shows, whichever is longer, and at least `SHORTEST` of what an adult of that size
would have; what it shows is its full length times its foreshortening. The result has the source's full lengths, the
target's foreshortenings and the target's directions. So a child's pose on an adult keeps the adult's size, an arm that
points at the viewer stays short, and a pose put on its own body is that pose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cfld.poses.keypoints import Keypoints
from cfld.poses.skeleton import BONES, JOINTS, MIRROR, NUM_JOINTS

Bone: TypeAlias = tuple[int, int]
"""(joint nearer to the neck, the other)."""
Lengths: TypeAlias = Mapping[Bone, float]
"""In pixels."""
NECK: Final = JOINTS.index("neck")
HIPS: Final = (JOINTS.index("right_hip"), JOINTS.index("left_hip"))
PARENT: Final = {child: parent for parent, child in BONES}
"""The tree of bones, from the neck outwards."""
HEAD: Final = tuple((NECK, JOINTS.index(name)) for name in ("right_eye", "left_eye", "right_ear", "left_ear"))
"""What eyes and ears hang on where the nose is hidden, as from behind: a head is as stiff as a bone."""
LENGTHS: Final = {
    **{"nose": 0.115, "eye": 0.03, "ear": 0.05, "shoulder": 0.129, "elbow": 0.186, "wrist": 0.146},
    **{"hip": 0.292, "knee": 0.245, "ankle": 0.246},
}
"""Full length of the bone that ends in a joint, in body heights of an adult (Drillis and Contini, 1966, as in Winter,
Biomechanics and Motor Control of Human Movement; hips: the diagonal of trunk and half the hips' breadth; the face's are
rough)."""
HEAD_LENGTH: Final = 0.13
"""Of the bones in `HEAD`, as rough as the face's."""
BODY: Final = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
"""Joints whose bones tell how large a body is; a head is larger on a child."""
SHORTEST: Final = 0.7
"""A bone that shows less than this share of an adult's length counts as foreshortened; bodies differ by that much."""


def retarget(source: Keypoints, target: Keypoints) -> Keypoints:
    """The target's pose as the source's body would take it.

    The middle of the hips stays where the source's is; without it the neck; without that the joints that both have.
    What the target lacks is missing. A joint whose parent the target lacks hangs on the nearest ancestor that is there,
    at the target's distance in the source's size. A bone that the source lacks has its twin's length, else an adult's.

    Returns:
        the pose in the source's frame.

    Raises:
        ValueError: when the two have no joint in common, or either shows no bone of trunk or limbs to measure.
    """
    return retarget_all(source, [target])[0]


def retarget_all(source: Keypoints, targets: Sequence[Keypoints]) -> list[Keypoints]:
    """As `retarget`, for poses of one body, all equally large: a bone is as long as the longest that any pose shows.

    So the frames of an animation have one size.
    """
    own, shown = _shown_lengths(source), _longest([_shown_lengths(target) for target in targets])
    sizes = body_height(own), body_height(shown)
    full = full_lengths(own, sizes[0]), full_lengths(shown, sizes[1])
    scales = {bone: full[0][bone] / full[1][bone] for bone in full[0]}
    return [_retargeted(source, target, scales, sizes[0] / sizes[1]) for target in targets]


def _retargeted(source: Keypoints, target: Keypoints, scales: Lengths, scale: float) -> Keypoints:
    """`scales`: by what a bone is multiplied; `scale`: by what all other distances are."""
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
    """How tall an adult would be who showed the longest bone of trunk and limbs at its full length, in pixels.

    Args:
        shown: how long bones are in the image.

    Raises:
        ValueError: when no bone of trunk or limbs is shown.
    """
    heights = [length / _usual(bone) for bone, length in shown.items() if _kind(bone[1]) in BODY]
    if not heights or max(heights) == 0:
        raise ValueError("a pose shows no bone of trunk, arms or legs; nothing says how large the person is")
    return max(heights)


def full_lengths(shown: Lengths, height: float) -> Lengths:
    """Full lengths of all bones, see above; of those in `HEAD` too.

    Args:
        shown: as in `body_height`, whose result `height` is.
    """
    lengths = {}
    for bone in (*BONES, *HEAD):
        usual, twin = _usual(bone) * height, (MIRROR[bone[0]], MIRROR[bone[1]])
        seen = [shown[one] for one in (bone, twin) if one in shown]
        lengths[bone] = max(*seen, SHORTEST * usual) if seen else usual
    return lengths


def _longest(poses: Sequence[Lengths]) -> Lengths:
    return {bone: max(pose[bone] for pose in poses if bone in pose) for bone in set().union(*poses)}


def _shown_lengths(pose: Keypoints) -> Lengths:
    """How long the bones are in the image that have both ends there."""
    there = [bone for bone in (*BONES, *HEAD) if pose.visible[list(bone)].all()]
    return {bone: float(np.linalg.norm(pose.yx[bone[1]] - pose.yx[bone[0]])) for bone in there}


def _usual(bone: Bone) -> float:
    """Of an adult, in body heights."""
    return HEAD_LENGTH if bone in HEAD else LENGTHS[_kind(bone[1])]


def _kind(joint: int) -> str:
    return JOINTS[joint].rpartition("_")[2]


def _outwards() -> list[int]:
    """Every joint after its parent."""
    order = [NECK]
    while len(order) < NUM_JOINTS:
        order += [child for child, parent in PARENT.items() if parent in order and child not in order]
    return order


def _ancestor(joint: int, placed: Sequence[int]) -> int | None:
    """The nearest one that is there; else, where the neck is missing, any joint that is."""
    parent = PARENT.get(joint)
    while parent is not None and parent not in placed:
        parent = PARENT.get(parent)
    return next(iter(placed), None) if parent is None else parent


def _anchor(source: Keypoints, yx: NDArray[np.float64]) -> NDArray[np.float64]:
    """What brings `yx` to the source's place."""
    there = source.visible & np.isfinite(yx).all(axis=1)
    for joints in (list(HIPS), [NECK], np.flatnonzero(there).tolist()):
        if joints and there[joints].all():
            return np.asarray((source.yx[joints] - yx[joints]).mean(axis=0))
    raise ValueError("source and target pose have no joint in common; nothing says where the person stands")
