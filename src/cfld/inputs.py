"""Converts the arguments of `CFLDPipeline` to tensors and checks them."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cfld.data import transforms
from cfld.poses.fit import fit_poses, same_aspect
from cfld.poses.keypoints import Keypoints, as_keypoints
from cfld.poses.render import POSE_CHANNELS, check_drawn, pose_map
from cfld.poses.skeleton import NUM_JOINTS
from cfld.ranges import is_whole_number

logger = logging.getLogger(__name__)

Images: TypeAlias = Image.Image | Sequence[Image.Image] | Tensor
Pose: TypeAlias = Keypoints | NDArray[Any] | Tensor


RANGE_MARGIN: Final = 0.01
"""By how much rounding and interpolation exceed the range of a pose map."""


def check_sampling(
    num_inference_steps: int | None, pose_guidance_scale: float, appearance_guidance_scale: float
) -> None:
    """Raises ValueError for fewer than one step and for guidance scales that are not finite; no steps: the recipe's."""
    steps = 1 if num_inference_steps is None else num_inference_steps
    if not is_whole_number(steps):
        raise ValueError(f"num_inference_steps must be a whole number, got {shown(num_inference_steps)}")
    if steps < 1:
        raise ValueError(f"num_inference_steps must be at least 1, got {num_inference_steps}")
    for scale in (pose_guidance_scale, appearance_guidance_scale):
        try:
            finite = math.isfinite(scale)
        except TypeError:
            finite = False
        if not finite:
            raise ValueError(f"guidance scales must be finite numbers, got {shown(scale)}")


def shown(value: Any) -> str:
    """A value in one line of a message."""
    return " ".join(repr(value).split())[:80]


def check_generator(generator: Any) -> None:
    """Raises ValueError for anything but None, a `torch.Generator` and a list of these."""
    listed = generator if isinstance(generator, list) else [generator]
    if generator is not None and not all(isinstance(one, torch.Generator) for one in listed):
        raise ValueError(
            f"generator must be a torch.Generator or a list of one per sample, got {shown(generator)}; "
            "for a random seed give torch.Generator().manual_seed(0)"
        )


def source_batch(images: Images, side: int, shape: tuple[int, int] | None = None) -> Tensor:
    """Converts images to float32 (B, 3, side, side) in [-1, 1].

    Args:
        images: PIL image(s) of any mode and size, or a tensor (B, 3, H, W) or (3, H, W), see `transforms.by_content`.
        shape: (height, width) whose aspect ratio the square stands for: other images are extended to it first, in the
            colour of their edge, unless they are squares of the model; None = images are stretched to the square.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(images, Tensor):
        batch = images if images.ndim == 4 else images[None]
        if batch.ndim != 4 or batch.shape[1] != 3 or not batch.numel() or batch.is_complex():
            raise ValueError(
                f"a source_image tensor must be (B, 3, H, W) in [-1, 1], got {images.dtype} {tuple(images.shape)}"
            )
        try:
            return _squares(transforms.by_content(batch), side, shape)
        except ValueError as error:
            raise ValueError(f"source_image: {error}") from None
    pils = [images] if isinstance(images, Image.Image) else images
    if not isinstance(pils, Sequence) or not pils or not all(isinstance(pil, Image.Image) for pil in pils):
        raise ValueError("source_image must be PIL image(s), a tensor, or the result of encode_source")
    if not all(min(pil.size) for pil in pils):
        raise ValueError("source_image holds an image without pixels")
    tensors = [transforms.to_model_range(transforms.to_tensor(image)) for image in pils]
    return torch.stack([_squares(tensor, side, shape) for tensor in tensors])


def is_extended(size: tuple[int, int], side: int, shape: tuple[int, int] | None) -> bool:
    """Whether `source_batch` extends images of this (height, width)."""
    return shape is not None and size != (side, side) and not same_aspect(size, shape)


def _squares(images: Tensor, side: int, shape: tuple[int, int] | None) -> Tensor:
    size = (images.shape[-2], images.shape[-1])
    if shape is None or not is_extended(size, side, shape):
        return transforms.resize(images, (side, side))
    logger.warning(
        "a source image of %d x %d (height x width) is extended to the model's aspect ratio, %d:%d, in the colour of "
        "its edge; --fit crop or letterbox cuts it to the person",
        *size,
        *shape,
    )
    return transforms.letterbox(images, shape, side)


def check_reference(size: tuple[int, int], shape: tuple[int, int]) -> None:
    """Warns that a reference of this size, which the result has to match, is stretched to the model's aspect ratio."""
    if not same_aspect(size, shape):
        logger.warning(
            "the reference image of %d x %d (height x width) is stretched to the model's aspect ratio, %d:%d; "
            "cut it to that first (cfld pose --fit) to keep proportions",
            *size,
            *shape,
        )


def pose_batch(
    poses: Pose | Sequence[Pose], size: tuple[int, int], shape: tuple[int, int] | None = None, blank: bool = False
) -> Tensor:
    """Converts poses to pose maps, float32 (B, 21, *size) in [0, 1].

    Args:
        poses: `Keypoints`, an array (18, 2) or (B, 18, 2) of (y, x) in a 256x176 frame, a pose map (21, *size) or
            (B, 21, *size), or a list of these.
        shape: (height, width) whose aspect ratio the maps stand for: keypoints in a frame of another one are moved into
            its middle, see `fit_poses`, unless their frame is `size`; None = all are stretched to the maps.
        blank: whether maps may show nobody, as those of data sets.

    Raises:
        ValueError: for anything else, and for maps without any joint or limb, unless `blank`.
    """
    items = poses if isinstance(poses, list | tuple) else [poses]
    if not items:
        raise ValueError("target_pose is empty; give at least one pose")
    if not all(isinstance(pose, Keypoints | np.ndarray | Tensor) for pose in items):
        raise ValueError(
            "target_pose must be Keypoints, an array or a tensor, or a list of these, "
            f"got {str(poses)[:40]}; for lists of numbers give numpy.array(target_pose)"
        )
    maps = torch.cat([_pose_maps(pose, size, shape, blank) for pose in items])
    if not blank and not maps[:, :3].flatten(1).any(dim=1).all():
        raise ValueError(
            "target_pose: no joint or limb is drawn in the pose map; for no pose at all, give pipe.conditioner.null(1)"
        )
    return maps


def fitted_poses(poses: Sequence[Keypoints], size: tuple[int, int], shape: tuple[int, int]) -> list[Keypoints]:
    """Fits poses whose frame has another aspect ratio, those of one frame alike; arguments as in `pose_batch`."""
    fitted = list(poses)
    for frame in dict.fromkeys(pose.frame for pose in poses):
        if frame == size or same_aspect(frame, shape):
            continue
        logger.warning(
            "a target pose in a frame of %d x %d (height x width) is fitted to the model's, %d:%d: the person fills it "
            "with proportions kept",
            *frame,
            *shape,
        )
        moved = iter(fit_poses([pose for pose in poses if pose.frame == frame], shape))
        fitted = [next(moved) if pose.frame == frame else own for pose, own in zip(poses, fitted, strict=True)]
    return fitted


def _pose_maps(pose: Any, size: tuple[int, int], shape: tuple[int, int] | None, blank: bool) -> Tensor:
    if isinstance(pose, Tensor) and tuple(pose.shape[-2:]) != (NUM_JOINTS, 2):
        if tuple(pose.shape[-3:]) != (POSE_CHANNELS, *size) or pose.ndim > 4 or not pose.is_floating_point():
            raise ValueError(
                f"a pose map must be floating point ({POSE_CHANNELS}, {size[0]}, {size[1]}) for this model, "
                f"got {pose.dtype} {tuple(pose.shape)}"
            )
        maps = pose.float().reshape(-1, POSE_CHANNELS, *size)
        if not bool(((maps >= -RANGE_MARGIN) & (maps <= 1 + RANGE_MARGIN)).all()):
            low, high = maps.min().item(), maps.max().item()
            raise ValueError(f"target_pose: a pose map is in [0, 1], got values from {low:.4g} to {high:.4g}")
        return maps
    if isinstance(pose, Keypoints):
        people = [pose]
    else:
        array = pose.float().cpu().numpy() if isinstance(pose, Tensor) else np.asarray(pose)
        people = [as_keypoints(yx) for yx in (array if array.ndim == 3 and len(array) else array[None])]
    if not blank:
        for keypoints in people:
            check_drawn(keypoints)
    people = people if shape is None else fitted_poses(people, size, shape)
    return torch.stack([pose_map(keypoints, size=size) for keypoints in people])
