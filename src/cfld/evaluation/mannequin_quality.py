"""How good a model is on drawn people that it never saw: is it the right person, and in the right pose?

Every figure is measured against true drawings, which a data set of photographs does not have: the same person in other
poses, and other people in the same pose.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from cfld.config.schema import SamplingConfig
from cfld.data import mannequin
from cfld.data.mannequin_dataset import MannequinDataset
from cfld.data.transforms import resize
from cfld.inputs import check_sampling
from cfld.pipeline import CFLDPipeline

Pictures = NDArray[np.floating[Any]]
"""(..., H, W, 3) in [0, 1]."""


@dataclass(frozen=True)
class MannequinQuality:
    """Figures over all generated pictures.

    Attributes:
        psnr: of generated against true drawing, in dB, mean over pictures.
        psnr_source, psnr_mean: the same for two baselines, the source as it is and the mean of all true drawings.
        identity_top1: share whose nearest among all people's true drawings in that pose is the right person.
        pose_top1: share whose nearest among that person's true drawings in `poses_compared` poses is the right pose.
        vae_psnr: of true drawings through the VAE alone.
        seconds_per_image: of sampling and decoding, pictures of one person as one batch.
        identities, poses, poses_compared: how many people, generated poses each, and poses to tell apart.
    """

    psnr: float
    psnr_source: float
    psnr_mean: float
    identity_top1: float
    pose_top1: float
    vae_psnr: float
    seconds_per_image: float
    identities: int
    poses: int
    poses_compared: int


def mannequin_quality(
    pipe: CFLDPipeline, sampling: SamplingConfig, identities: int = 100, poses: int = 8, poses_compared: int = 20
) -> MannequinQuality:
    """Draws people of the test split (nobody that `MannequinDataset` trains on), generates, and compares.

    Args:
        sampling: `seed` draws the people, their poses and the noise.
        identities, poses: each person is generated in each of `poses` poses, the same for all.
        poses_compared: at least `poses`.

    Raises:
        ValueError: for fewer than two people or poses to compare, or fewer compared than generated.
    """
    if identities < 2 or poses < 1 or poses_compared < max(2, poses):
        raise ValueError(f"cannot compare {identities} people in {poses} of {poses_compared} poses; need two of each")
    check_sampling(sampling.steps, sampling.pose_guidance_scale, sampling.appearance_guidance_scale)
    size = tuple(pipe.config.output_size)
    people, source_poses, target_poses = draw_seeds(identities, poses_compared, sampling.seed)
    truth = np.stack([[_draw(person, pose, size) for pose in target_poses] for person in tqdm(people, "drawing")])
    sources = np.stack([_draw(person, pose, size) for person, pose in zip(people, source_poses, strict=True)])
    start = time.perf_counter()
    made = np.stack(
        [
            _generate(pipe, source, person, target_poses[:poses], sampling)
            for source, person in zip(tqdm(sources, "generating"), people, strict=True)
        ]
    )
    seconds = (time.perf_counter() - start) / (identities * poses)
    wanted = truth[:, :poses]
    return MannequinQuality(
        psnr=psnr(made, wanted),
        psnr_source=psnr(np.broadcast_to(sources[:, None], wanted.shape), wanted),
        psnr_mean=psnr(np.broadcast_to(wanted.mean((0, 1)), wanted.shape), wanted),
        identity_top1=identity_top1(made, wanted),
        pose_top1=pose_top1(made, truth),
        vae_psnr=psnr(_through_vae(pipe, wanted[:, 0]), wanted[:, 0]),
        seconds_per_image=seconds,
        identities=identities,
        poses=poses,
        poses_compared=poses_compared,
    )


def draw_seeds(identities: int, poses: int, seed: int) -> tuple[list[int], list[int], list[int]]:
    """Seeds of test people, of their source poses, and of the target poses, which all people share."""
    test = MannequinDataset(identities=identities, poses=2, seed=seed, split="test")
    people, source_poses = zip(*(test.seeds(name) for name in test.names[::2]), strict=True)
    target_poses = np.random.default_rng((seed, poses)).integers(2**40, 2**41, size=poses)
    return list(people), list(source_poses), [int(pose) for pose in target_poses]


def psnr(made: Pictures, truth: Pictures) -> float:
    """dB at range 1, mean over pictures. (..., H, W, 3) in [0, 1]."""
    error = ((made - truth) ** 2).mean(axis=(-3, -2, -1))
    return float((-10 * np.log10(error)).mean())


def identity_top1(made: Pictures, truth: Pictures) -> float:
    """Both (people, poses, H, W, 3); nearest by mean absolute colour difference."""
    right = [
        nearest(made[person, pose], truth[:, pose]) == person
        for person in range(made.shape[0])
        for pose in range(made.shape[1])
    ]
    return float(np.mean(right))


def pose_top1(made: Pictures, truth: Pictures) -> float:
    """made: (people, poses, H, W, 3); truth: (people, poses to tell apart, H, W, 3), the same poses first."""
    right = [
        nearest(made[person, pose], truth[person]) == pose
        for person in range(made.shape[0])
        for pose in range(made.shape[1])
    ]
    return float(np.mean(right))


def nearest(picture: Pictures, candidates: Pictures) -> int:
    """The index of the candidate with the smallest mean absolute colour difference."""
    return int(np.abs(candidates - picture).mean(axis=(-3, -2, -1)).argmin())


def _draw(person: int, pose: int, size: tuple[int, int]) -> Pictures:
    picture = mannequin.render(mannequin.sample_identity(person), mannequin.sample_body_pose(pose), size=size)
    return picture.astype(np.float32) / 255


def _generate(
    pipe: CFLDPipeline, source: Pictures, person: int, poses: list[int], sampling: SamplingConfig
) -> Pictures:
    identity = mannequin.sample_identity(person)
    made: Pictures = pipe(
        _to_tensor(source[None]),
        [mannequin.keypoints(identity, mannequin.sample_body_pose(pose)) for pose in poses],
        num_inference_steps=sampling.steps,
        pose_guidance_scale=sampling.pose_guidance_scale,
        appearance_guidance_scale=sampling.appearance_guidance_scale,
        generator=[torch.Generator().manual_seed(sampling.seed + i) for i in range(len(poses))],
        output_type="np",
    ).images
    return made


@torch.no_grad()
def _through_vae(pipe: CFLDPipeline, pictures: Pictures) -> Pictures:
    side = pipe.vae.config.sample_size
    results = []
    for batch in _to_tensor(pictures).split(8):
        square = resize(batch, (side, side)).to(pipe.vae.device, pipe.vae.dtype)
        decoded = pipe.vae.decode(pipe.vae.encode(square).latent_dist.mode()).sample
        results.append(resize(decoded.float(), pictures.shape[1:3]).cpu())
    return (torch.cat(results).permute(0, 2, 3, 1).numpy() + 1) / 2


def _to_tensor(pictures: Pictures) -> Tensor:
    """(N, H, W, 3) in [0, 1] -> (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2) * 2 - 1
