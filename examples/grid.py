"""The bundled model on people of the test split: its best, median and worst images by PSNR.

python examples/grid.py
python examples/grid.py --people 100 --seed 3 --out docs/figures/grid.jpg
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import tyro
from PIL import Image

from cfld import CFLDPipeline
from cfld.contact_sheet import contact_sheet, draw_pose
from cfld.data.transforms import to_pil
from cfld.mannequin.dataset import MannequinDataset
from cfld.metrics.psnr import psnr

TITLES = ("source", "target pose", "result", "truth")


def main(
    people: int = 60,
    seed: int = 0,
    each: int = 3,
    steps: int = 50,
    model: str = "mannequin",
    out: Path = Path("outputs/grid.jpg"),
) -> None:
    """Generate one image of each of many people, and show the best, median and worst of them.

    Args:
        people: number of people.
        seed: random seed of the people and of the noise.
        each: number of images to show of each of the three kinds.
        steps: number of sampling steps.
        model: `mannequin`, the bundled model; a model folder; or a hub id.
        out: image file to write.
    """
    if not 1 <= each <= people:
        raise SystemExit(f"--each must be from 1 to the number of people, {people}, got {each}")
    pipe = CFLDPipeline.from_pretrained(model)
    height, width = pipe.config.output_size
    data = MannequinDataset(identities=people, poses=2, seed=seed, split="test", size=(height, width))
    sources, targets = data.names[::2], data.names[1::2]
    results: list[Image.Image] = []
    for start in range(0, people, 8):
        results += pipe(
            [image(data, name) for name in sources[start : start + 8]],
            [data.keypoints(name) for name in targets[start : start + 8]],
            num_inference_steps=steps,
            generator=torch.Generator().manual_seed(seed + start),
        ).images
    scores = [score(image(data, name), result) for name, result in zip(targets, results, strict=True)]
    order = np.argsort(scores)[::-1]
    middle = (people - each) // 2
    chosen = [*order[:each], *order[middle : middle + each], *order[-each:]]
    rows = [
        [image(data, sources[i]), draw_pose(data.keypoints(targets[i])), results[i], image(data, targets[i])]
        for i in chosen
    ]
    print("PSNR of the rows:", ", ".join(f"{scores[i]:.1f}" for i in chosen), f"mean of all {np.mean(scores):.2f} dB")
    side_by_side = [[*rows[i], *rows[each + i], *rows[2 * each + i]] for i in range(each)]
    out.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(side_by_side, TITLES * 3).convert("RGB").save(out, quality=82)
    print(out)


def image(data: MannequinDataset, name: str) -> Image.Image:
    return to_pil(data.image(name))


def score(truth: Image.Image, result: Image.Image) -> float:
    return psnr(np.asarray(truth) / 255, np.asarray(result) / 255)


if __name__ == "__main__":
    tyro.cli(main)
