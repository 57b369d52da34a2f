"""Appearance editing (section 4.6): style transfer under a mask, and style interpolation. Neither needs training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from cfld.types import SourceConditioning

Mask: TypeAlias = Image.Image | NDArray[Any] | Tensor
"""Where to generate: a PIL image of any mode, or (H, W) of bool, of 0 and 1, or of 0 to 255."""

Callback: TypeAlias = Callable[[Any, int, Tensor, dict[str, Tensor]], dict[str, Tensor] | None]
"""`callback_on_step_end` of diffusers: (pipe, step, t, {"latents": z}) -> what to go on with."""

SUM_TOLERANCE: Final = 1e-4
"""By how much the weights of an interpolation may miss one: they are typed by people."""


@dataclass(frozen=True)
class MaskedSampling:
    """An `OnStep` that keeps the latents outside a mask on the reference's own way from noise to image.

    The same noise leads the reference all the way. Any diffusers scheduler will do: it noises the reference itself, in
    the scale and at the level of its own latents.

    Attributes:
        scheduler: a diffusers scheduler whose `set_timesteps` has been called.
        reference: (1, 4, h, w), the clean latents z_0^ref.
        noise: (B, 4, h, w), standard normal: what sampling starts from inside the mask.
        mask: bool (1, 1, h, w), where to generate.
    """

    scheduler: Any
    reference: Tensor
    noise: Tensor
    mask: Tensor

    def start(self) -> Tensor:
        """(B, 4, h, w) to sample from: still to be multiplied by `scheduler.init_noise_sigma`, as noise is."""
        return self._blend(self.noise, self._noised(0) / self.scheduler.init_noise_sigma)

    def __call__(self, i: int, t: Tensor, z: Tensor) -> Tensor:  # noqa: ARG002
        return self._blend(z, self._noised(i + 1))

    def then(self, callback: Callback | None) -> Callback:
        """This and then `callback`, as a `callback_on_step_end` of diffusers."""

        def on_step_end(pipe: Any, i: int, t: Tensor, kept: dict[str, Tensor]) -> dict[str, Tensor]:
            kept = {"latents": self(i, t, kept["latents"])}
            return {**kept, **((callback and callback(pipe, i, t, kept)) or {})}

        return on_step_end

    def _blend(self, inside: Tensor, outside: Tensor) -> Tensor:
        # section 4.6: m z_t + (1 - m) z_t^ref
        return torch.where(self.mask.to(inside.device), inside, outside)

    def _noised(self, i: int) -> Tensor:
        """z_t^ref (eq. 1) as step `i` expects it; after the last step the reference itself."""
        timesteps = self.scheduler.timesteps
        z_0 = self.reference.to(self.noise).expand_as(self.noise)
        if i == len(timesteps):
            return z_0
        if hasattr(self.scheduler, "set_begin_index"):  # it then goes by its count of steps: two of them may share a t
            self.scheduler.set_begin_index(0)
        return self.scheduler.add_noise(z_0, self.noise, timesteps[i].repeat(len(z_0)))


def soft_mask(mask: Mask, size: tuple[int, int], feather: float = 0.0) -> Tensor:
    """How much of each pixel is generated: 1 inside the mask, 0 outside, and a ramp along the inside of its edge.

    Args:
        mask: white where to generate, divided at half; transparent counts as black.
        size: (height, width) of the image that it belongs to.
        feather: width of the ramp in pixels; 0 is a hard edge. What lies outside the mask stays untouched by it.

    Returns:
        float32 (1, 1, H, W) in [0, 1].

    Raises:
        ValueError: for a mask of another size, one without a white pixel, and a feather that is no width.
    """
    inside = _inside(mask)
    if inside.shape != size:
        theirs, ours = (" x ".join(map(str, reversed(shape))) for shape in (inside.shape, size))
        raise ValueError(f"the mask is {theirs} pixels and its reference image {ours}; make the mask as large")
    if not inside.any():
        raise ValueError("the mask is empty: nothing in it is white, so nothing would be generated")
    if not 0 <= feather < math.inf:
        raise ValueError(f"feather is a width in pixels, 0 or more, got {feather}")
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)  # 1 at the very edge
    return torch.from_numpy(np.minimum(depth / (feather + 1), 1.0).astype(np.float32))[None, None]


def latent_mask(weights: Tensor, size: tuple[int, int]) -> Tensor:
    """The binary mask m of section 4.6: bool (1, 1, h, w), a latent is generated if any of its pixels is.

    So not even a thin mask is lost; `paste` cuts the image at the pixels' own edge afterwards.

    Args:
        weights: `soft_mask`.
        size: (h, w) of the latents.
    """
    return F.adaptive_max_pool2d(weights, size) > 0


def paste(generated: Tensor, backdrop: Tensor, weights: Tensor) -> Tensor:
    """The generated images over a backdrop, which is kept to the bit where the weights are zero.

    Args:
        generated: (B, 3, H, W).
        backdrop: (1, 3, H, W) of the same range.
        weights: `soft_mask`, of any size.
    """
    w = F.interpolate(weights, size=generated.shape[-2:], mode="area").to(generated)
    return w * generated + (1 - w) * backdrop.to(generated)


def interpolate(conditionings: Sequence[SourceConditioning], weights: Sequence[float]) -> SourceConditioning:
    """Linear interpolation between sources, of coarse-grained prompts and fine-grained biases alike (section 4.6).

    Args:
        conditionings: one a source, all of one model and batch size; what `CFLDPipeline.encode_source` returns.
        weights: one a source, none negative, 1 in sum. A source of weight 1 comes out as it went in, to the bit.

    Raises:
        ValueError: for no source, another number of weights, weights that are no shares of one, sources that differ
            in shape.
    """
    check_weights(len(conditionings), weights)
    if len(shapes := {tuple(c.prompt_embeds.shape) for c in conditionings}) > 1:
        raise ValueError(f"sources of one model and batch size can be interpolated, got prompts {sorted(shapes)}")
    parts = [(w, c) for w, c in zip(weights, conditionings, strict=True) if w != 0]
    names = dict.fromkeys(name for _, c in parts for name in c.query_bias)
    return SourceConditioning(
        _sum([w * c.prompt_embeds for w, c in parts]),
        {name: _sum([w * c.query_bias[name] for w, c in parts if name in c.query_bias]) for name in names},
    )


def check_weights(sources: int, weights: Sequence[float]) -> None:
    """Raises ValueError saying why sources cannot be interpolated with these weights."""
    if sources == 0:
        raise ValueError("there is no source to interpolate; give at least one")
    if len(weights) != sources:
        raise ValueError(f"{len(weights)} weights for {sources} sources; give one a source")
    if not all(0 <= w <= 1 + SUM_TOLERANCE for w in weights) or abs(math.fsum(weights) - 1) > SUM_TOLERANCE:
        told = ", ".join(f"{w:g}" for w in weights)
        raise ValueError(f"weights must be 0 or more and 1 in sum, got {told} (sum {math.fsum(weights):g})")


def interpolation_weights(sources: int, frames: int) -> list[tuple[float, ...]]:
    """Weights of `frames` images on the way from the first source to the last, through all others in their order.

    Raises:
        ValueError: for no source, or fewer than two frames.
    """
    if sources == 0:
        raise ValueError("there is no source to interpolate; give at least one")
    if frames < 2:
        raise ValueError(f"a way from one style to another takes at least 2 frames, got {frames}")
    places = [frame * (sources - 1) / (frames - 1) for frame in range(frames)]
    return [tuple(max(0.0, 1.0 - abs(place - source)) for source in range(sources)) for place in places]


def _inside(mask: Mask) -> NDArray[np.bool_]:
    """bool (H, W)."""
    if isinstance(mask, Image.Image):
        upright = ImageOps.exif_transpose(mask).convert("RGBA")
        mask = np.asarray(Image.alpha_composite(Image.new("RGBA", upright.size, "black"), upright).convert("L"))
    values = mask.cpu().numpy() if isinstance(mask, Tensor) else np.asarray(mask)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"a mask is one channel (H, W), got shape {tuple(values.shape)}")
    white = 255 if np.issubdtype(values.dtype, np.integer) and values.max() > 1 else 1
    return np.asarray(values >= white / 2)


def _sum(terms: Sequence[Tensor]) -> Tensor:
    return terms[0] if len(terms) == 1 else torch.stack(list(terms)).sum(0)
