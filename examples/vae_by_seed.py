"""`vae_psnr` pose by pose, and the loss of quality from resizing to the autoencoder's square alone.

python examples/vae_by_seed.py
python examples/vae_by_seed.py --vae runs/mannequin-vae/model/vae --seeds 3

Each row is 100 people in one pose, the first pose of `cfld evaluate mannequin-quality` with that seed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import tyro
from diffusers import AutoencoderKL
from tqdm import tqdm

from cfld import mannequin
from cfld.data.transforms import resize
from cfld.inference.reconstruction import through_vae
from cfld.mannequin.quality import mean_over_images, sample_seeds
from cfld.metrics.psnr import psnr
from cfld.models.loading import load_component
from cfld.pipeline import BUNDLED


def main(
    vae: Path = BUNDLED / "mannequin" / "vae", seeds: int = 8, identities: int = 100, size: tuple[int, int] = (192, 132)
) -> None:
    """Print PSNR in dB for each seed: through the autoencoder, and through the two resizes around it alone.

    Args:
        vae: folder of an autoencoder.
        seeds: number of random seeds, from 1, as in `cfld evaluate mannequin-quality`.
        identities: people per seed.
        size: height and width of the images.
    """
    if seeds < 1:
        raise SystemExit(f"--seeds must be at least 1, got {seeds}")
    network = load_component(AutoencoderKL, vae.parent, vae.name).float().eval()
    side = network.config.sample_size
    print("| seed | through the autoencoder | resized alone |\n| --- | --- | --- |")
    rows = []
    for seed in tqdm(range(1, seeds + 1)):
        people, _, poses = sample_seeds(identities, 20, seed)
        pose = mannequin.sample_body_pose(poses[0])
        truth = np.stack([mannequin.render(mannequin.sample_identity(who), pose, size) / 255 for who in people])
        batches = torch.from_numpy(truth).float().permute(0, 3, 1, 2).split(25)
        made = [through_vae(network, batch, size) for batch in batches]
        resized = [(resize(resize(2 * batch - 1, (side, side)), size) + 1) / 2 for batch in batches]
        rows.append([mean_over_images(psnr, as_images(each), truth) for each in (made, resized)])
        print(f"| {seed} | {rows[-1][0]:.2f} | {rows[-1][1]:.2f} |")
    print("| mean | {:.2f} | {:.2f} |".format(*np.mean(rows, axis=0)))


def as_images(batches: list[torch.Tensor]) -> np.ndarray:
    """Each (B, 3, H, W) -> (people, H, W, 3)."""
    return torch.cat(batches).clamp(0, 1).permute(0, 2, 3, 1).numpy()


if __name__ == "__main__":
    tyro.cli(main)
