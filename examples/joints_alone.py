"""How far the target's joints alone give a person away: `identity_top1` of a perfect sampler that sees no source.

python examples/joints_alone.py
python examples/joints_alone.py --identities 100 --poses 4 --seed 2

Each image shows a stranger's looks on this person's joints, as the renderer draws it, so no model takes part. The
row "without source" of `cfld evaluate mannequin-quality` cannot be expected below this; chance is 1 / identities.
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
    """The stranger with the lengths of `person`; the joints tell nothing of girth."""
    own = stranger.proportions
    return replace(stranger, proportions=replace(person.proportions, build=own.build, waist=own.waist))


def main(
    identities: int = 100, poses: int = 4, seed: int = 1, rounds: int = 3, size: tuple[int, int] = (192, 132)
) -> None:
    """Print the share found with the person's joints, and with a stranger's, which is chance.

    Args:
        identities, poses: each person in each of `poses` poses.
        seed: draws the people and the poses, as in `cfld evaluate mannequin-quality`; and the strangers.
        rounds: times each image is drawn, with another stranger.
        size: height and width of the images.
    """
    if min(poses, rounds) < 1:
        raise SystemExit(f"--poses and --rounds must be at least 1, got {poses} and {rounds}")
    people, _, bodies = sample_seeds(identities, poses, seed)
    known = [mannequin.sample_identity(person) for person in people]
    drawn = [mannequin.sample_body_pose(body) for body in bodies]
    truth = np.stack([[mannequin.render(who, pose, size) / 255 for pose in drawn] for who in known])
    print("| whose joints | identity_top1 | chance |\n| --- | --- | --- |")
    for name, looks in {"the person's": on_the_joints_of, "the stranger's": lambda _, stranger: stranger}.items():
        found = [
            shares(known, drawn, truth, size, looks, np.random.default_rng((seed, i))) for i in tqdm(range(rounds))
        ]
        print(f"| {name} | {np.mean(found):.3f} | {1 / identities:.3f} |")


def shares(
    known: list[mannequin.Identity],
    drawn: list[mannequin.BodyPose],
    truth: np.ndarray,
    size: tuple[int, int],
    looks: Looks,
    rng: np.random.Generator,
) -> float:
    """`identity_top1` of one image for each person and pose."""
    strangers = rng.integers(2**42, 2**43, size=truth.shape[:2])
    made = [
        [
            mannequin.render(looks(who, mannequin.sample_identity(int(seed))), pose, size) / 255
            for pose, seed in zip(drawn, row, strict=True)
        ]
        for who, row in zip(known, strangers, strict=True)
    ]
    return identity_top1(np.stack(made), truth)


if __name__ == "__main__":
    tyro.cli(main)
