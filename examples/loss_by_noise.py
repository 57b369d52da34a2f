"""The loss of a model at each noise level, for sources (eq. 5) and targets (eq. 3), on unseen people.

python examples/loss_by_noise.py
python examples/loss_by_noise.py --model runs/mannequin-start/model --people 200

With v-prediction and no signal left at t = T - 1, the loss there is the error of the predicted mean.
"""

from __future__ import annotations

import torch
import tyro
from torch import Tensor
from tqdm import tqdm

from cfld import CFLDPipeline
from cfld.mannequin.dataset import MannequinDataset
from cfld.models.unet import predict_noise
from cfld.training.batches import PairSamples, sources_then_targets
from cfld.training.latent_cache import encode_moments, sample_moments
from cfld.training.objective import add_noise, training_target


def main(
    model: str = "mannequin",
    people: int = 96,
    seed: int = 7,
    t: tuple[int, ...] = (60, 200, 400, 600, 800, 999),
    batch: int = 32,
) -> None:
    """Print a table of the UNet's mean squared errors.

    Args:
        model: the bundled model, a model folder, or a hub id.
        people: number of people, none of them in the training data; each is transferred from one pose to another and
            back.
        seed: random seed of people and noise.
        t: timesteps at which the error is measured.
        batch: pairs per batch.
    """
    pipe = CFLDPipeline.from_pretrained(model)
    torch.manual_seed(seed)
    data = MannequinDataset(identities=people, poses=2, seed=seed, split="test", size=tuple(pipe.config.output_size))
    samples = PairSamples(
        dataset=data,
        source_size=pipe.conditioner.config.source_size,
        pose_size=pipe.conditioner.pose_size,
        image_size=pipe.vae.config.sample_size,
        flip=0.0,
        seed=seed,
    )
    groups = [range(len(samples))[i : i + batch] for i in range(0, len(samples), batch)]
    errors = [
        len(group) * torch.stack(losses(pipe, torch.utils.data.default_collate([samples[0, i] for i in group]), t))
        for group in tqdm(groups)
    ]
    print("| t | sources | targets |\n| --- | --- | --- |")
    for level, (source, target) in zip(t, torch.stack(errors).sum(0) / len(samples), strict=True):
        print(f"| {level} | {source:.4f} | {target:.4f} |")


@torch.no_grad()
def losses(pipe: CFLDPipeline, batch: dict[str, Tensor], levels: tuple[int, ...]) -> list[Tensor]:
    """The loss of both halves at each level, (2,)."""
    kind, alphas = pipe.scheduler.config.prediction_type, pipe.scheduler.alphas_cumprod
    moments = encode_moments(pipe.vae, sources_then_targets(batch["images"]))
    z_0 = sample_moments(moments, pipe.vae.config.scaling_factor)
    source = pipe.conditioner.encode_source(batch["source_image"]).select([*range(len(z_0) // 2)] * 2)
    conditioning = source.with_pose(pipe.conditioner.encode_pose(sources_then_targets(batch["poses"])))
    found = []
    for level in levels:
        eps, t = torch.randn(z_0.shape), torch.full((len(z_0),), level)
        prediction = predict_noise(pipe.unet, add_noise(z_0, eps, alphas[t]), t, conditioning)
        error = (prediction - training_target(kind, z_0, eps, alphas[t])).square()
        found.append(torch.stack([half.mean() for half in error.chunk(2)]))
    return found


if __name__ == "__main__":
    tyro.cli(main)
