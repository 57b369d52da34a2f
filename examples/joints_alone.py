"""How well the joints of the target pose alone identify a person: `identity_top1` of an ideal model without source.

python examples/joints_alone.py
python examples/joints_alone.py --identities 100 --poses 4 --seed 2

Each image is a rendering of another person's appearance on this person's joints, without any model. The row "without
source" of `cfld evaluate mannequin-quality` cannot be expected below this; chance is 1 / identities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import tyro
from tqdm import tqdm

from cfld import mannequin
from cfld.mannequin.quality import identity_top1, sample_seeds

Looks = Callable[[mannequin.Identity, mannequin.Identity], mannequin.Identity]


def on_the_joints_of(person: mannequin.Identity, stranger: mannequin.Identity) -> mannequin.Identity:
    """The stranger with the bone lengths of `person`; joints do not show girth."""
    own = stranger.proportions
    return replace(stranger, proportions=replace(person.proportions, build=own.build, waist=own.waist))


def main(
    identities: int = 100, poses: int = 4, seed: int = 1, rounds: int = 3, size: tuple[int, int] = (192, 132)
) -> None:
    """Print the accuracy with the person's joints, and with the stranger's, which is chance.

    Args:
        identities: number of people.
        poses: number of poses of each person.
        seed: random seed of people and poses, as in `cfld evaluate mannequin-quality`, and of the strangers.
        rounds: number of renderings per image, each of another stranger.
        size: height and width of the images.
    """
    if min(poses, rounds) < 1:
        raise SystemExit(f"--poses and --rounds must be at least 1, got {poses} and {rounds}")
    people, _, bodies = sample_seeds(identities, poses, seed)
    known = [mannequin.sample_identity(person) for person in people]
    body_poses = [mannequin.sample_body_pose(body) for body in bodies]
    truth = np.stack([[mannequin.render(who, pose, size) / 255 for pose in body_poses] for who in known])
    print("| whose joints | identity_top1 | chance |\n| --- | --- | --- |")
    for name, looks in {"the person's": on_the_joints_of, "the stranger's": lambda _, stranger: stranger}.items():
        found = [
            accuracy(known, body_poses, truth, size, looks, np.random.default_rng((seed, i)))
            for i in tqdm(range(rounds))
        ]
        print(f"| {name} | {np.mean(found):.3f} | {1 / identities:.3f} |")


def accuracy(
    known: list[mannequin.Identity],
    body_poses: list[mannequin.BodyPose],
    truth: np.ndarray,
    size: tuple[int, int],
    looks: Looks,
    rng: np.random.Generator,
) -> float:
    """`identity_top1` of one rendering per person and pose."""
    strangers = rng.integers(2**42, 2**43, size=truth.shape[:2])
    images = [
        [
            mannequin.render(looks(who, mannequin.sample_identity(int(seed))), pose, size) / 255
            for pose, seed in zip(body_poses, row, strict=True)
        ]
        for who, row in zip(known, strangers, strict=True)
    ]
    return identity_top1(np.stack(images), truth)


if __name__ == "__main__":
    tyro.cli(main)
