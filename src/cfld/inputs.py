"""Converts the arguments of `CFLDPipeline` to tensors and checks them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cfld.data import transforms
from cfld.poses.keypoints import Keypoints, as_keypoints
from cfld.poses.render import POSE_CHANNELS, pose_map
from cfld.poses.skeleton import NUM_JOINTS

Images: TypeAlias = Image.Image | Sequence[Image.Image] | Tensor
Pose: TypeAlias = Keypoints | NDArray[Any] | Tensor


def check_sampling(num_inference_steps: int, pose_guidance_scale: float, appearance_guidance_scale: float) -> None:
    """Raises ValueError for fewer than one step and for guidance scales that are not finite."""
    if num_inference_steps < 1:
        raise ValueError(f"num_inference_steps must be at least 1, got {num_inference_steps}")
    for scale in (pose_guidance_scale, appearance_guidance_scale):
        if not math.isfinite(scale):
            raise ValueError(f"guidance scales must be finite numbers, got {scale}")


def source_batch(images: Images, side: int) -> Tensor:
    """Converts images to float32 (B, 3, side, side) in [-1, 1].

    Args:
        images: PIL image(s) of any mode and size, or a floating-point tensor (B, 3, H, W) or (3, H, W) in [-1, 1].

    Raises:
        ValueError: for anything else.
    """
    if isinstance(images, Tensor):
        batch = images if images.ndim == 4 else images[None]
        if batch.ndim != 4 or batch.shape[1] != 3 or not batch.is_floating_point():
            raise ValueError(
                "a source_image tensor must be floating point (B, 3, H, W) in [-1, 1], "
                f"got {images.dtype} {tuple(images.shape)}"
            )
        return transforms.resize(batch.float(), (side, side))
    pils = [images] if isinstance(images, Image.Image) else images
    if not isinstance(pils, Sequence) or not pils or not all(isinstance(pil, Image.Image) for pil in pils):
        raise ValueError("source_image must be PIL image(s), a tensor, or the result of encode_source")
    tensors = [transforms.to_model_range(transforms.to_tensor(image)) for image in pils]
    return torch.stack([transforms.resize(tensor, (side, side)) for tensor in tensors])


def pose_batch(poses: Pose | Sequence[Pose], size: tuple[int, int]) -> Tensor:
    """Converts poses to pose maps, float32 (B, 21, *size) in [0, 1].

    Args:
        poses: `Keypoints`, an array (18, 2) or (B, 18, 2) of (y, x) in a 256x176 frame, a pose map (21, *size) or
            (B, 21, *size), or a list of these.

    Raises:
        ValueError: for anything else, and for keypoints without a visible joint.
    """
    items = poses if isinstance(poses, list | tuple) else [poses]
    if not items:
        raise ValueError("target_pose is empty; give at least one pose")
    return torch.cat([_pose_maps(pose, size) for pose in items])


def _pose_maps(pose: Any, size: tuple[int, int]) -> Tensor:
    if isinstance(pose, Tensor) and tuple(pose.shape[-2:]) != (NUM_JOINTS, 2):
        if tuple(pose.shape[-3:]) != (POSE_CHANNELS, *size) or pose.ndim > 4 or not pose.is_floating_point():
            raise ValueError(
                f"a pose map must be floating point ({POSE_CHANNELS}, {size[0]}, {size[1]}) for this model, "
                f"got {pose.dtype} {tuple(pose.shape)}"
            )
        return pose.float().reshape(-1, POSE_CHANNELS, *size)
    if isinstance(pose, Keypoints):
        people = [pose]
    else:
        array = pose.cpu().numpy() if isinstance(pose, Tensor) else np.asarray(pose)
        people = [as_keypoints(yx) for yx in (array if array.ndim == 3 else array[None])]
    if not all(keypoints.visible.any() for keypoints in people):
        raise ValueError("target_pose: all 18 joints are missing; give at least one visible joint")
    return torch.stack([pose_map(keypoints, size=size) for keypoints in people])
