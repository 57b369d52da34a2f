"""Mannequins in several poses on one sheet, a row per person: source, then target pose, result and truth per pose.

python examples/demo.py
python examples/demo.py --seed 3 --people 1 --poses 6 --out outputs/person3.png
python examples/demo.py --model runs/mannequin/model
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import torch
import tyro
from PIL import Image

from cfld import CFLDPipeline
from cfld.contact_sheet import contact_sheet, draw_pose
from cfld.data.transforms import to_pil
from cfld.mannequin import sample_body_pose
from cfld.mannequin.dataset import MannequinDataset


def main(
    seed: int = 0,
    people: int = 3,
    poses: int = 3,
    steps: int | None = None,
    model: str = "mannequin",
    out: Path = Path("outputs/demo.png"),
) -> None:
    """Generate people in several poses.

    Args:
        seed: number of the first person.
        people: number of people.
        poses: number of target poses per person.
        steps: number of sampling steps; default: 50, of a student its own.
        model: `mannequin`, the bundled model; a model folder; or a hub id.
        out: PNG file to write.
    """
    pipe = CFLDPipeline.from_pretrained(model)
    # the test split: the bundled model was not trained on these people
    data = MannequinDataset(identities=seed + people, poses=poses + 1, split="test")
    start = perf_counter()
    rows = [row(pipe, data, person, poses, steps) for person in range(seed, seed + people)]
    print(f"{people * poses} images in {perf_counter() - start:.1f} s")
    out.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(rows, ("source", *(("target pose", "result", "truth") * poses))).save(out)
    print(out)


def row(pipe: CFLDPipeline, data: MannequinDataset, person: int, poses: int, steps: int | None) -> list[Image.Image]:
    """The most frontal image of a person as the source, and for each other image its pose, the result and the truth."""
    views = data.names[person * (poses + 1) : (person + 1) * (poses + 1)]
    source = min(views, key=lambda name: abs(sample_body_pose(data.seeds(name)[1]).yaw))
    targets = [name for name in views if name != source]
    results = pipe(
        image(data, source),
        [data.keypoints(name) for name in targets],
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(person),
    ).images
    cells = [
        (draw_pose(data.keypoints(name)), result, image(data, name))
        for name, result in zip(targets, results, strict=True)
    ]
    return [image(data, source), *(cell for triple in cells for cell in triple)]


def image(data: MannequinDataset, name: str) -> Image.Image:
    return to_pil(data.image(name))


if __name__ == "__main__":
    tyro.cli(main)
