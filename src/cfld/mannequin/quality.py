"""Quality of a model on mannequins that it was not trained on: does it generate the right person in the right pose?

The figures compare generated with rendered images: of the same person in other poses, and of other people in the same
pose, which a data set of photographs does not have.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from tqdm import tqdm

from cfld import mannequin
from cfld.config.schema import SamplingConfig
from cfld.inference.generation import sampling_arguments
from cfld.inference.reconstruction import through_vae
from cfld.inputs import check_sampling
from cfld.mannequin.attribute_network.judge import frechet, judge
from cfld.mannequin.attribute_network.network import AttributeNetwork
from cfld.mannequin.attribute_network.network import targets as worn_in
from cfld.mannequin.dataset import MannequinDataset
from cfld.mannequin.patterns import figure_pixels, garment_views, sharpness
from cfld.metrics.protocols import PROTOCOLS
from cfld.metrics.psnr import psnr
from cfld.metrics.ssim import ssim
from cfld.pipeline import CFLDPipeline

MAX_IMAGES: Final = 10_000
"""Rendered images that are compared; at 256x176 they take 5 GB."""
ImageArrays: TypeAlias = NDArray[np.floating[Any]]
"""(..., H, W, 3) in [0, 1]."""


@dataclass(frozen=True)
class JudgedFigures:
    """Figures of an attribute network (`mannequin.attribute_network`) over all images of a scene.

    Attributes:
        frechet: Fréchet distance of the generated to the rendered images, on the network's features.
        vae_frechet: the same of the rendered images through the VAE alone.
        frechet_halves: the same of the rendered images of the first half of the people to those of the others.
        attributes_top1: fraction of the attributes read right in generated images, mean over the attributes.
        true_attributes_top1: the same of the rendered images.
    """

    frechet: float
    vae_frechet: float
    frechet_halves: float
    attributes_top1: float
    true_attributes_top1: float


@dataclass(frozen=True)
class MannequinQuality:
    """Figures over all generated images.

    Attributes:
        psnr, ssim: generated against rendered image, in dB and in [-1, 1], mean over images.
        psnr_source, ssim_source: the same for the unchanged source image as a baseline.
        psnr_mean, ssim_mean: the same for the mean of all rendered images as a baseline.
        identity_top1: fraction of images whose nearest image among all people in that pose is the right person's.
        identity_top1_without_source: the same with null prompt and no query bias, on the first quarter of the poses.
        pose_top1: fraction of images whose nearest image of that person in `poses_compared` poses is in the right pose.
        pose_top1_without_pose: the same without pose condition, on the first quarter of the poses.
        vae_psnr: PSNR of the rendered images through the VAE alone.
        pattern_top1: fraction of patterned garments whose pattern, of seven, is read right (`mannequin.patterns`).
        pattern_kind: the same for the kind of pattern, of six, whatever its contrast.
        sharpness: deviation of the finest details inside the figure, generated / rendered, mean over images.
        vae_pattern_top1, vae_pattern_kind, vae_sharpness: the same of the rendered images through the VAE alone.
        garments: number of patterned garments that were read.
        seconds_per_image: time of sampling and decoding, in batches of one person.
        identities, poses, poses_compared: number of people, of poses generated per person, and of poses compared.
        judged: figures of an attribute network, if one is given.
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
    pattern_top1: float
    pattern_kind: float
    sharpness: float
    vae_pattern_top1: float
    vae_pattern_kind: float
    vae_sharpness: float
    garments: int
    seconds_per_image: float
    identities: int
    poses: int
    poses_compared: int
    judged: JudgedFigures | None = None


def mannequin_quality(
    pipe: CFLDPipeline,
    sampling: SamplingConfig,
    identities: int = 100,
    poses: int = 8,
    poses_compared: int = 20,
    network: AttributeNetwork | None = None,
) -> MannequinQuality:
    """Generates people of the test split, in whom no training person occurs, and compares them with rendered images.

    Args:
        sampling: its `seed` determines people, poses and noise.
        identities: number of people.
        poses: number of poses in which each person is generated, the same for all.
        poses_compared: number of poses to choose from for `pose_top1`; at least `poses`.
        network: for `judged`.

    Raises:
        ValueError: for fewer than two people or two poses to compare, or fewer poses compared than generated.
    """
    if identities < 2 or poses < 1 or poses_compared < max(2, poses):
        raise ValueError(f"cannot compare {identities} people in {poses} of {poses_compared} poses; need two of each")
    if identities * poses_compared > MAX_IMAGES:
        raise ValueError(f"{identities} people in {poses_compared} poses exceed the limit of {MAX_IMAGES:,} images")
    check_sampling(**sampling.arguments())
    scene = Scene.render(pipe.config.output_size, identities, poses, poses_compared, sampling.seed)
    start = time.perf_counter()
    images = scene.generate(pipe, sampling)
    seconds = (time.perf_counter() - start) / (identities * poses)
    targets, sources, mean = scene.targets, scene.sources[:, None], scene.targets.mean((0, 1))
    decoded = np.stack([_through_vae(pipe.vae, batch) for batch in tqdm(targets, "through the VAE")])
    texture, vae_texture = scene.texture_figures(images, decoded)
    quarter = replace(scene, target_poses=scene.target_poses[: -(-poses // 4)])
    return MannequinQuality(
        psnr=mean_over_images(psnr, images, targets),
        psnr_source=mean_over_images(psnr, sources, targets),
        psnr_mean=mean_over_images(psnr, mean, targets),
        ssim=mean_over_images(gaussian_ssim, images, targets),
        ssim_source=mean_over_images(gaussian_ssim, sources, targets),
        ssim_mean=mean_over_images(gaussian_ssim, mean, targets),
        identity_top1=identity_top1(images, targets),
        identity_top1_without_source=identity_top1(quarter.generate(pipe, sampling, source=False), targets),
        pose_top1=pose_top1(images, scene.truth),
        pose_top1_without_pose=pose_top1(quarter.generate(pipe, sampling, pose=False), scene.truth),
        vae_psnr=mean_over_images(psnr, decoded, targets),
        pattern_top1=texture.pattern_top1,
        pattern_kind=texture.pattern_kind,
        sharpness=texture.sharpness,
        vae_pattern_top1=vae_texture.pattern_top1,
        vae_pattern_kind=vae_texture.pattern_kind,
        vae_sharpness=vae_texture.sharpness,
        garments=texture.garments,
        seconds_per_image=seconds,
        identities=identities,
        poses=poses,
        poses_compared=poses_compared,
        judged=None if network is None else scene.judged(network, images, decoded),
    )


def table(quality: MannequinQuality) -> str:
    """The figures as a text table, each beside its baseline."""
    q = quality
    rows = [
        ("psnr", f"{q.psnr:.2f} dB", f"unchanged source {q.psnr_source:.2f}, mean image {q.psnr_mean:.2f}"),
        ("ssim", f"{q.ssim:.4f}", f"unchanged source {q.ssim_source:.4f}, mean image {q.ssim_mean:.4f}"),
        ("identity_top1", f"{q.identity_top1:.3f}", f"chance {1 / q.identities:.3f}"),
        ("  without source", f"{q.identity_top1_without_source:.3f}", f"3 times chance {3 / q.identities:.3f}"),
        ("pose_top1", f"{q.pose_top1:.3f}", f"chance {1 / q.poses_compared:.3f}"),
        ("  without pose", f"{q.pose_top1_without_pose:.3f}", f"3 times chance {3 / q.poses_compared:.3f}"),
        (
            "pattern_top1",
            f"{q.pattern_top1:.3f}",
            f"through the VAE alone {q.vae_pattern_top1:.3f}, chance {1 / 7:.3f}",
        ),
        (
            "pattern_kind",
            f"{q.pattern_kind:.3f}",
            f"through the VAE alone {q.vae_pattern_kind:.3f}, chance {1 / 6:.3f}",
        ),
        ("sharpness", f"{q.sharpness:.3f}", f"through the VAE alone {q.vae_sharpness:.3f}"),
        ("vae_psnr", f"{q.vae_psnr:.2f} dB", "rendered images through the VAE alone"),
        ("seconds_per_image", f"{q.seconds_per_image:.2f}", "sampling and decoding, in batches of one person"),
    ]
    if (judged := q.judged) is not None:
        alone, halves = judged.vae_frechet, judged.frechet_halves
        beside = f"through the VAE alone {alone:.3f}, half of the people to the others {halves:.3f}"
        rows += [
            ("frechet", f"{judged.frechet:.3f}", beside),
            ("attributes_top1", f"{judged.attributes_top1:.3f}", f"rendered images {judged.true_attributes_top1:.3f}"),
        ]
    head = f"{q.identities} people in {q.poses} poses ({q.garments} patterned garments), of {q.poses_compared} poses"
    return "\n".join([head, *(f"{name:<18} {value:>10}   {beside}" for name, value, beside in rows)])


@dataclass(frozen=True)
class TextureFigures:
    """Figures of texture over all images of a scene, as in `MannequinQuality`."""

    pattern_top1: float
    pattern_kind: float
    sharpness: float
    garments: int

    @classmethod
    def of(cls, readings: list[tuple[bool, bool]], ratios: list[float]) -> TextureFigures:
        """
        Args:
            readings: whether pattern and kind were read right, per garment. Without garments the fractions are NaN.
            ratios: sharpness per image.
        """
        pattern, kind = np.mean(readings, axis=0) if readings else (float("nan"),) * 2
        return cls(float(pattern), float(kind), float(np.mean(ratios)), len(readings))


@dataclass(frozen=True)
class Scene:
    """People, poses and rendered images to compare with.

    Attributes:
        people: random seeds of the people.
        target_poses: random seeds of the poses that are generated, the same for all people.
        sources: (people, H, W, 3), source image of each person.
        truth: (people, poses compared, H, W, 3), rendered images, those in `target_poses` first.
        seed: random seed of the noise.
    """

    people: list[int]
    target_poses: list[int]
    sources: ImageArrays
    truth: ImageArrays
    seed: int

    @classmethod
    def render(cls, size: tuple[int, int], identities: int, poses: int, poses_compared: int, seed: int) -> Scene:
        """Renders images of (height, width) `size`; see `mannequin_quality`."""
        people, source_poses, target_poses = sample_seeds(identities, poses_compared, seed)
        truth = [[_render(person, pose, size) for pose in target_poses] for person in tqdm(people, "rendering")]
        sources = [_render(person, pose, size) for person, pose in zip(people, source_poses, strict=True)]
        return cls(people, target_poses[:poses], np.stack(sources), np.stack(truth), seed)

    @property
    def targets(self) -> ImageArrays:
        """(people, target poses, H, W, 3): the images to be generated."""
        return self.truth[:, : len(self.target_poses)]

    def texture_figures(self, *variants: ImageArrays) -> list[TextureFigures]:
        """Reads patterns and sharpness of images of the same people and poses, each (people, poses, H, W, 3)."""
        readings: list[list[tuple[bool, bool]]] = [[] for _ in variants]
        ratios: list[list[float]] = [[] for _ in variants]
        size = self.targets.shape[2:4]
        places = list(np.ndindex(self.targets.shape[:2]))
        for row, column in tqdm(places, "reading patterns"):
            identity = mannequin.sample_identity(self.people[row])
            pose = mannequin.sample_body_pose(self.target_poses[column])
            pixels = figure_pixels(identity, pose, size)
            garments = list(garment_views(identity, pose, size))
            for images, read, sharp in zip(variants, readings, ratios, strict=True):
                sharp.append(sharpness(images[row, column], self.targets[row, column], pixels))
                read += [garment.reads_right(images[row, column]) for garment in garments]
        return [TextureFigures.of(read, sharp) for read, sharp in zip(readings, ratios, strict=True)]

    def judged(self, network: AttributeNetwork, images: ImageArrays, decoded: ImageArrays) -> JudgedFigures:
        """Judges generated images and those through the VAE, shaped as `targets`."""
        poses = [mannequin.sample_body_pose(seed) for seed in self.target_poses]
        people = [mannequin.sample_identity(seed) for seed in self.people]
        worn = np.array([worn_in(identity, pose) for identity in people for pose in poses])
        generated, reconstructed, true = (
            judge(stack.reshape(-1, *stack.shape[2:]), network) for stack in (images, decoded, self.targets)
        )
        half = len(self.people) // 2 * len(self.target_poses)
        return JudgedFigures(
            frechet=frechet(generated.features, true.features),
            vae_frechet=frechet(reconstructed.features, true.features),
            frechet_halves=frechet(true.features[:half], true.features[half:]),
            attributes_top1=generated.right(worn),
            true_attributes_top1=true.right(worn),
        )

    def generate(
        self, pipe: CFLDPipeline, sampling: SamplingConfig, source: bool = True, pose: bool = True
    ) -> ImageArrays:
        """(people, target poses, H, W, 3), generated in batches of one person.

        Args:
            source: False = null prompt and no query bias.
            pose: False = no pose condition.
        """
        what = "generating" if source and pose else f"without {'pose' if source else 'source'}"
        people = tqdm(range(len(self.people)), what)
        return np.stack([self._person(pipe, sampling, row, source, pose) for row in people])

    def _person(self, pipe: CFLDPipeline, sampling: SamplingConfig, row: int, source: bool, pose: bool) -> ImageArrays:
        identity = mannequin.sample_identity(self.people[row])
        poses = pipe.encode_pose(
            [mannequin.keypoints(identity, mannequin.sample_body_pose(seed)) for seed in self.target_poses]
        )
        source_image = torch.from_numpy(self.sources[row : row + 1]).permute(0, 3, 1, 2) * 2 - 1
        null = pipe.conditioner.null(1)
        images: ImageArrays = pipe(
            pipe.encode_source(source_image) if source else null,
            poses if pose else null.select([0] * poses.batch_size),
            **sampling_arguments(sampling, range(self.seed, self.seed + poses.batch_size)),
            output_type="np",
        ).images
        return images


def sample_seeds(identities: int, poses: int, seed: int) -> tuple[list[int], list[int], list[int]]:
    """Random seeds of people of the test split, of their source poses, and of the target poses shared by all."""
    test = MannequinDataset(identities=identities, poses=2, seed=seed, split="test")
    people, source_poses = zip(*(test.seeds(name) for name in test.names[::2]), strict=True)
    target_poses = np.random.default_rng((seed, poses)).integers(2**40, 2**41, size=poses)
    return list(people), list(source_poses), [int(pose) for pose in target_poses]


def mean_over_images(
    figure: Callable[[ImageArrays, ImageArrays], float], images: ImageArrays, truth: ImageArrays
) -> float:
    """Mean of a figure of a true and another image (3, H, W); both (..., H, W, 3) are broadcast to one shape."""
    pairs = np.broadcast_arrays(np.moveaxis(truth, -1, -3), np.moveaxis(images, -1, -3))
    one, other = (stack.reshape(-1, *stack.shape[-3:]) for stack in pairs)
    return float(np.mean([figure(x, y) for x, y in zip(one, other, strict=True)]))


def gaussian_ssim(truth: ImageArrays, image: ImageArrays) -> float:
    """SSIM of the protocol `standard`; (3, H, W) in [0, 1]."""
    return ssim(truth, image, PROTOCOLS["standard"].ssim)


def identity_top1(images: ImageArrays, truth: ImageArrays) -> float:
    """Fraction of images nearest to the right person's; both (people, poses, H, W, 3)."""
    return float(np.mean([nearest(images[i, j], truth[:, j]) == i for i, j in np.ndindex(images.shape[:2])]))


def pose_top1(images: ImageArrays, truth: ImageArrays) -> float:
    """Fraction of images nearest to the right pose; (people, poses, H, W, 3), of `truth` at least as many poses."""
    return float(np.mean([nearest(images[i, j], truth[i]) == j for i, j in np.ndindex(images.shape[:2])]))


def nearest(image: ImageArrays, candidates: ImageArrays) -> int:
    """Index of the candidate with the smallest mean absolute difference."""
    return int(np.abs(candidates - image).mean(axis=(-3, -2, -1)).argmin())


def _render(person: int, pose: int, size: tuple[int, int]) -> ImageArrays:
    image = mannequin.render(mannequin.sample_identity(person), mannequin.sample_body_pose(pose), size=size)
    return image.astype(np.float32) / 255


def _through_vae(vae: AutoencoderKL, images: ImageArrays) -> ImageArrays:
    """(B, H, W, 3) encoded and decoded by the VAE."""
    height, width = images.shape[1:3]
    decoded = through_vae(vae, torch.from_numpy(images).permute(0, 3, 1, 2).to(vae.device), (height, width))
    return decoded.permute(0, 2, 3, 1).cpu().numpy()
