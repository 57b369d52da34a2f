"""A student of few steps beside its teacher, a row per person: source, pose, teacher, student by steps, truth.

python examples/student.py --out docs/figures/student.jpg
python examples/student.py --student runs/student/model --teacher runs/mannequin/model
"""

from __future__ import annotations

from pathlib import Path

import torch
import tyro
from PIL import Image

from cfld import CFLDPipeline
from cfld.contact_sheet import contact_sheet, draw_pose
from cfld.data.transforms import to_pil
from cfld.mannequin.dataset import MannequinDataset
from cfld.poses.keypoints import Keypoints


def main(
    teacher: str = "mannequin",
    student: str = "mannequin-turbo",
    steps: tuple[int, ...] = (1, 2, 4, 8),
    people: int = 6,
    seed: int = 1,
    out: Path = Path("outputs/student.png"),
) -> None:
    """Generate the same people from the same noise.

    Args:
        teacher, student: names or folders of the models.
        steps: numbers of steps of the student.
        people: number of people of the test split.
        seed: random seed of people, poses and noise.
        out: image file to write.
    """
    data = MannequinDataset(identities=people, poses=2, seed=seed, split="test")
    pairs = data.pairs[::2]
    sources, truths = ([to_pil(data.image(pair[i])) for pair in pairs] for i in (0, 1))
    poses = [data.keypoints(target) for _, target in pairs]
    columns = {"source": sources, "pose": [draw_pose(pose) for pose in poses]}
    columns["teacher, 50"] = generate(CFLDPipeline.from_pretrained(teacher), sources, poses, None)
    pipe = CFLDPipeline.from_pretrained(student)
    columns |= {f"student, {n}": generate(pipe, sources, poses, n) for n in steps}
    columns["truth"] = truths
    out.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(list(zip(*columns.values(), strict=True)), tuple(columns)).save(out, quality=90)
    print(out)


def generate(
    pipe: CFLDPipeline, sources: list[Image.Image], poses: list[Keypoints], steps: int | None
) -> list[Image.Image]:
    generators = [torch.Generator().manual_seed(i) for i in range(len(poses))]
    images: list[Image.Image] = pipe(sources, poses, num_inference_steps=steps, generator=generators).images
    return images


if __name__ == "__main__":
    tyro.cli(main)
