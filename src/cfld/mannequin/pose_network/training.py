"""Training of the pose network.

    cfld pose-net train --out runs/pose-net

Images are rendered once, into a file in `out` that can be deleted afterwards and is only used again for the same
people, and augmented whenever they are read:
affine transform, flip, brightness, contrast, tint, blur, noise. Some crops show nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from cfld.data.base import PoseDataset
from cfld.data.transforms import to_model_range
from cfld.mannequin.dataset import MannequinDataset
from cfld.mannequin.network_config import NetworkConfig
from cfld.mannequin.networks import fit, render_pixels, save_network
from cfld.mannequin.pose_network.network import CELL, INPUT_SIZE, PoseNetwork
from cfld.poses.skeleton import MIRROR
from cfld.ranges import check_ranges

IMAGE_SIZE: Final = (160, 110)
"""(height, width) of the rendered images."""
SIGMA: Final = 1.0
"""Standard deviation of the target heat maps, in cells."""
EMPTY_SHARE: Final = 0.05
"""Share of the crops that show nobody."""


@dataclass(frozen=True, eq=False)
class Images:
    """Images and joints of a data set; `pixels` may be memory-mapped.

    Attributes:
        pixels: uint8 (N, H, W, 3).
        joints: float32 (N, 18, 2), (y, x) in pixels of the image; NaN = missing.
    """

    pixels: NDArray[np.uint8]
    joints: NDArray[np.float32]


def train_pose_network(config: NetworkConfig, out: Path) -> Path:
    """Renders the training images, trains the network and saves it.

    Returns:
        the folder of the network, `out/network`.

    Raises:
        ValueError: if a number in `config` is out of range.
        FloatingPointError: if the loss is not finite; the message gives the step.
    """
    check_ranges(config)
    dataset = MannequinDataset(
        identities=config.identities, poses=config.poses, seed=config.seed, split="train", size=IMAGE_SIZE
    )
    out.mkdir(parents=True, exist_ok=True)
    images = read_images(dataset, IMAGE_SIZE, out / f"pictures-{len(dataset.names)}-{config.seed}.npy")
    save_network(fit_pose_network(images, config), out / "network")
    return out / "network"


def read_images(dataset: PoseDataset, size: tuple[int, int], file: Path) -> Images:
    """All images of a data set and their joints; arguments as in `render_pixels`."""
    poses = [dataset.keypoints(name).scaled(size) for name in dataset.names]
    joints = np.stack([np.where(pose.visible[:, None], pose.yx, np.nan) for pose in poses]).astype(np.float32)
    return Images(render_pixels(dataset, size, file), joints)


def fit_pose_network(images: Images, config: NetworkConfig) -> PoseNetwork:
    """Trains a network from random weights; errors as in `train_pose_network`."""
    torch.manual_seed(config.seed)
    return fit(
        PoseNetwork(),
        batches(images, config),
        lambda output, joints: keypoint_loss(output[0].float(), output[1].float(), joints),
        config,
        dtype=torch.bfloat16,
    )


def keypoint_loss(maps: Tensor, presence: Tensor, joints: Tensor) -> Tensor:
    """Cross-entropy of each visible joint's heat map with a Gaussian at the joint, plus that of the presence.

    Args:
        maps: (B, 18, h, w) logits; presence: (B, 18) logits.
        joints: (B, 18, 2), (y, x) in pixels of the input; NaN = missing.
    """
    visible = torch.isfinite(joints).all(-1)  # (B, 18)
    cells = (joints.nan_to_num() + 0.5) / CELL - 0.5
    rows, columns = (
        torch.exp(-((torch.arange(length) - cells[..., axis, None]) ** 2) / (2 * SIGMA**2))
        for axis, length in enumerate(maps.shape[-2:])
    )  # (B, 18, h), (B, 18, w)
    targets = (rows[..., None] * columns[..., None, :]).flatten(2)  # (B, 18, h w)
    targets = targets / targets.sum(-1, keepdim=True).clamp_min(1e-6)
    position = -(targets * maps.flatten(2).log_softmax(-1)).sum(-1)[visible].sum() / visible.sum().clamp_min(1)
    return position + F.binary_cross_entropy_with_logits(presence, visible.float())


def batches(images: Images, config: NetworkConfig) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields images (B, 3, H, W) in [-1, 1] and joints (B, 18, 2) for each step, determined by the seed."""
    rng = np.random.default_rng([config.seed, 3])
    for _ in range(config.steps):
        chosen = rng.integers(len(images.pixels), size=config.batch_size)
        samples = [random_crop(images.pixels[i], images.joints[i], rng) for i in chosen]
        pixels = np.stack([pixels for pixels, _ in samples]).transpose(0, 3, 1, 2)
        yield to_model_range(torch.from_numpy(pixels)), torch.from_numpy(np.stack([joints for _, joints in samples]))


def random_crop(
    pixels: NDArray[np.uint8], joints: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A random crop of an image, as the network's input, and the joints in it; joints outside are NaN."""
    if rng.uniform() < 0.5:
        pixels, joints = pixels[:, ::-1], joints[list(MIRROR)] * (1, -1) + (0, pixels.shape[1] - 1)
    height, width = INPUT_SIZE
    affine = _random_affine(pixels.shape[:2], rng)
    moved = joints[:, ::-1] @ affine[:, :2].T + affine[:, 2]  # (x, y)
    inside = ((moved >= 0) & (moved <= (width - 1, height - 1))).all(axis=1)
    crop = cv2.warpAffine(
        np.ascontiguousarray(pixels), affine, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return _augmented_colours(crop, rng), np.where(inside[:, None], moved[:, ::-1], np.nan).astype(np.float32)


def _random_affine(size: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """(2, 3): maps (x, y) of the image to (x, y) of the input."""
    height, width = INPUT_SIZE
    scale = min(height / size[0], width / size[1]) * np.exp(rng.uniform(np.log(0.55), np.log(1.45)))
    shift = rng.uniform(-0.16, 0.16, 2) * (width, height)
    if rng.uniform() < EMPTY_SHARE:
        shift += rng.choice([-1, 1], 2) * (1.2 * scale * size[1], 1.1 * scale * size[0])
    angle = np.deg2rad(rng.uniform(-12, 12))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([size[1] - 1, size[0] - 1]) / 2
    offset = np.array([width - 1, height - 1]) / 2 + shift - turn @ centre
    return np.column_stack([turn, offset])


def _augmented_colours(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Random brightness, contrast and tint; sometimes blurred, sometimes with noise."""
    if rng.uniform() < 0.3:
        height, width = INPUT_SIZE
        share = rng.uniform(0.4, 0.9)
        small = cv2.resize(pixels, (int(width * share), int(height * share)), interpolation=cv2.INTER_AREA)
        pixels = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    gain = rng.uniform(0.65, 1.35) * rng.uniform(0.92, 1.08, 3)
    values = (pixels.astype(np.float32) - 128) * gain + 128 + rng.uniform(-40, 40)
    if rng.uniform() < 0.3:
        values += rng.normal(0, rng.uniform(1, 12), pixels.shape)
    return values.clip(0, 255).astype(np.uint8)
