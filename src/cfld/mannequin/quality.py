"""How good a model is on mannequins that it never saw: is it the right person, and in the right pose?

Every figure is measured against true drawings, which a data set of photographs does not have: the same person in other
poses, and other people in the same pose.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from cfld import mannequin
from cfld.config.schema import SamplingConfig
from cfld.inference.generation import sampling_arguments
from cfld.inference.reconstruction import through_vae
from cfld.inputs import check_sampling
from cfld.mannequin.dataset import MannequinDataset
from cfld.metrics.protocols import PROTOCOLS
from cfld.metrics.psnr import psnr
from cfld.metrics.ssim import ssim
from cfld.pipeline import CFLDPipeline

ImageArrays: TypeAlias = NDArray[np.floating[Any]]
"""(..., H, W, 3) in [0, 1]."""
Figure: TypeAlias = Callable[[ImageArrays, ImageArrays], float]
"""Truth and image -> how alike they are."""


@dataclass(frozen=True)
class MannequinQuality:
    """Figures over all generated images.

    Attributes:
        psnr, ssim: of generated against true drawing, in dB and in [-1, 1], mean over images.
        psnr_source, ssim_source: the same for a baseline, the source as it is.
        psnr_mean, ssim_mean: the same for a baseline, the mean of all true drawings.
        identity_top1: share whose nearest among all people's true drawings in that pose is the right person.
        identity_top1_without_source: the same with the null prompt and no bias in place of the source, on the first
            quarter of the poses.
        pose_top1: share whose nearest among that person's true drawings in `poses_compared` poses is the right pose.
        pose_top1_without_pose: the same with no pose, on as many.
        vae_psnr: of the same true drawings through the VAE alone.
        seconds_per_image: of sampling and decoding, images of one person as one batch.
        identities, poses, poses_compared: how many people, generated poses each, and poses to tell apart.
    """

    psnr: float
    psnr_source: float
    psnr_mean: float
    ssim: float
    ssim_source: float
    ssim_mean: float
    identity_top1: float
    identity_top1_without_source: float
    pose_top1: float
    pose_top1_without_pose: float
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
    check_sampling(**sampling.arguments())
    scene = Scene.draw(pipe.config.output_size, identities, poses, poses_compared, sampling.seed)
    start = time.perf_counter()
    made = scene.generate(pipe, sampling)
    seconds = (time.perf_counter() - start) / (identities * poses)
    wanted, source, mean = scene.wanted, scene.sources[:, None], scene.wanted.mean((0, 1))
    vae = np.stack([_through_vae(pipe.vae, images) for images in tqdm(wanted, "through the VAE")])
    few = replace(scene, target_poses=scene.target_poses[: -(-poses // 4)])
    return MannequinQuality(
        psnr=mean_over_images(psnr, made, wanted),
        psnr_source=mean_over_images(psnr, source, wanted),
        psnr_mean=mean_over_images(psnr, mean, wanted),
        ssim=mean_over_images(gaussian_ssim, made, wanted),
        ssim_source=mean_over_images(gaussian_ssim, source, wanted),
        ssim_mean=mean_over_images(gaussian_ssim, mean, wanted),
        identity_top1=identity_top1(made, wanted),
        identity_top1_without_source=identity_top1(few.generate(pipe, sampling, source=False), wanted),
        pose_top1=pose_top1(made, scene.truth),
        pose_top1_without_pose=pose_top1(few.generate(pipe, sampling, pose=False), scene.truth),
        vae_psnr=mean_over_images(psnr, vae, wanted),
        seconds_per_image=seconds,
        identities=identities,
        poses=poses,
        poses_compared=poses_compared,
    )


def table(quality: MannequinQuality) -> str:
    """The figures for a person to read, each beside what it is to be compared with."""
    q = quality
    rows = [
        ("psnr", f"{q.psnr:.2f} dB", f"source as it is {q.psnr_source:.2f}, mean image {q.psnr_mean:.2f}"),
        ("ssim", f"{q.ssim:.4f}", f"source as it is {q.ssim_source:.4f}, mean image {q.ssim_mean:.4f}"),
        ("identity_top1", f"{q.identity_top1:.3f}", f"chance {1 / q.identities:.3f}"),
        ("  source off", f"{q.identity_top1_without_source:.3f}", f"3 times chance {3 / q.identities:.3f}"),
        ("pose_top1", f"{q.pose_top1:.3f}", f"chance {1 / q.poses_compared:.3f}"),
        ("  pose off", f"{q.pose_top1_without_pose:.3f}", f"3 times chance {3 / q.poses_compared:.3f}"),
        ("vae_psnr", f"{q.vae_psnr:.2f} dB", "the true drawing through the autoencoder alone"),
        ("seconds_per_image", f"{q.seconds_per_image:.2f}", "sampling and decoding, in batches of one person"),
    ]
    head = f"{q.identities} people in {q.poses} poses, told from {q.poses_compared} poses"
    return "\n".join([head, *(f"{name:<18} {value:>10}   {beside}" for name, value, beside in rows)])


@dataclass(frozen=True)
class Scene:
    """Who is drawn in what pose, and how it should look.

    Attributes:
        people: seeds of identities.
        target_poses: seeds of the poses that are generated, the same for all.
        sources: (people, H, W, 3), each person's source image.
        truth: (people, poses to tell apart, H, W, 3), true drawings; the first ones are in `target_poses`.
        seed: of the noise.
    """

    people: list[int]
    target_poses: list[int]
    sources: ImageArrays
    truth: ImageArrays
    seed: int

    @classmethod
    def draw(cls, size: tuple[int, int], identities: int, poses: int, poses_compared: int, seed: int) -> Scene:
        """Draws the images of (height, width) `size`."""
        people, source_poses, target_poses = draw_seeds(identities, poses_compared, seed)
        truth = [[_draw(person, pose, size) for pose in target_poses] for person in tqdm(people, "drawing")]
        sources = [_draw(person, pose, size) for person, pose in zip(people, source_poses, strict=True)]
        return cls(people, target_poses[:poses], np.stack(sources), np.stack(truth), seed)

    @property
    def wanted(self) -> ImageArrays:
        """(people, target poses, H, W, 3): what the generated images should be."""
        return self.truth[:, : len(self.target_poses)]

    def generate(
        self, pipe: CFLDPipeline, sampling: SamplingConfig, source: bool = True, pose: bool = True
    ) -> ImageArrays:
        """(people, target poses, H, W, 3), images of one person as one batch.

        Args:
            source, pose: False takes that control away: the null prompt and no bias; no pose.
        """
        what = "generating" if source and pose else f"without {'pose' if source else 'source'}"
        return np.stack(
            [self._person(pipe, sampling, row, source, pose) for row in tqdm(range(len(self.people)), what)]
        )

    def _person(self, pipe: CFLDPipeline, sampling: SamplingConfig, row: int, source: bool, pose: bool) -> ImageArrays:
        identity = mannequin.sample_identity(self.people[row])
        poses = pipe.encode_pose(
            [mannequin.keypoints(identity, mannequin.sample_body_pose(p)) for p in self.target_poses]
        )
        null = pipe.conditioner.null(1)
        made: ImageArrays = pipe(
            pipe.encode_source(_to_tensor(self.sources[row : row + 1])) if source else null,
            poses if pose else null.select([0] * poses.batch_size),
            **sampling_arguments(sampling, range(self.seed, self.seed + poses.batch_size)),
            output_type="np",
        ).images
        return made


def draw_seeds(identities: int, poses: int, seed: int) -> tuple[list[int], list[int], list[int]]:
    """Seeds of test people, of their source poses, and of the target poses, which all people share."""
    test = MannequinDataset(identities=identities, poses=2, seed=seed, split="test")
    people, source_poses = zip(*(test.seeds(name) for name in test.names[::2]), strict=True)
    target_poses = np.random.default_rng((seed, poses)).integers(2**40, 2**41, size=poses)
    return list(people), list(source_poses), [int(pose) for pose in target_poses]


def mean_over_images(figure: Figure, made: ImageArrays, truth: ImageArrays) -> float:
    """Of a figure of two images (3, H, W). (..., H, W, 3) in [0, 1] both; what is fewer is repeated."""
    pairs = np.broadcast_arrays(np.moveaxis(truth, -1, -3), np.moveaxis(made, -1, -3))
    one, other = (images.reshape(-1, *images.shape[-3:]) for images in pairs)
    return float(np.mean([figure(x, y) for x, y in zip(one, other, strict=True)]))


def gaussian_ssim(truth: ImageArrays, made: ImageArrays) -> float:
    """As the protocol `standard` has it. (3, H, W) in [0, 1]."""
    return ssim(truth, made, PROTOCOLS["standard"].ssim)


def identity_top1(made: ImageArrays, truth: ImageArrays) -> float:
    """Both (people, poses, H, W, 3); nearest by mean absolute colour difference."""
    right = [
        nearest(made[person, pose], truth[:, pose]) == person
        for person in range(made.shape[0])
        for pose in range(made.shape[1])
    ]
    return float(np.mean(right))


def pose_top1(made: ImageArrays, truth: ImageArrays) -> float:
    """made: (people, poses, H, W, 3); truth: (people, poses to tell apart, H, W, 3), the same poses first."""
    right = [
        nearest(made[person, pose], truth[person]) == pose
        for person in range(made.shape[0])
        for pose in range(made.shape[1])
    ]
    return float(np.mean(right))


def nearest(image: ImageArrays, candidates: ImageArrays) -> int:
    """The index of the candidate with the smallest mean absolute colour difference."""
    return int(np.abs(candidates - image).mean(axis=(-3, -2, -1)).argmin())


def _draw(person: int, pose: int, size: tuple[int, int]) -> ImageArrays:
    image = mannequin.render(mannequin.sample_identity(person), mannequin.sample_body_pose(pose), size=size)
    return image.astype(np.float32) / 255


def _through_vae(vae: AutoencoderKL, images: ImageArrays) -> ImageArrays:
    """(B, H, W, 3), once through the VAE."""
    height, width = images.shape[1:3]
    made = through_vae(vae, torch.from_numpy(images).permute(0, 3, 1, 2).to(vae.device), (height, width))
    return made.permute(0, 2, 3, 1).cpu().numpy()


def _to_tensor(images: ImageArrays) -> Tensor:
    """(N, H, W, 3) in [0, 1] -> (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2) * 2 - 1
