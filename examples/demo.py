"""One drawn person into several poses: source, pose drawings, results and truth on one sheet.

python examples/demo.py
python examples/demo.py --seed 3 --poses 6 --out outputs/person3.png
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
from cfld.data.mannequin import sample_body_pose
from cfld.data.mannequin_dataset import MannequinDataset
from cfld.data.transforms import to_picture


def main(
    seed: int = 2,
    poses: int = 4,
    steps: int = 50,
    model: str = "mannequin",
    out: Path = Path("outputs/demo.png"),
) -> None:
    """Draw one person in several poses.

    Args:
        seed: another seed is another person, and other noise.
        poses: how many target poses.
        steps: sampling steps.
        model: the bundled model, a model folder, or a hub id.
        out: the PNG to write.
    """
    pipe = CFLDPipeline.from_pretrained(model)
    # Test people: the bundled model was trained on none of them.
    people = MannequinDataset(identities=seed + 1, poses=poses + 1, split="test")
    views = people.names[-(poses + 1) :]
    source = min(views, key=lambda name: abs(sample_body_pose(people.seeds(name)[1]).yaw))  # nearest to the front
    targets = [name for name in views if name != source]

    start = perf_counter()
    results = pipe(
        picture(people, source),
        [people.keypoints(name) for name in targets],
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(seed),
    ).images
    print(f"{len(results)} pictures in {perf_counter() - start:.1f} s")

    rows = [
        [picture(people, source), draw_pose(people.keypoints(name)), result, picture(people, name)]
        for name, result in zip(targets, results, strict=True)
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(rows, ("source", "target pose", "result", "truth")).save(out)
    print(out)


def picture(people: MannequinDataset, name: str) -> Image.Image:
    return to_picture(people.image(name))


if __name__ == "__main__":
    tyro.cli(main)
