"""The values that pass between rooms. Shape legend, used throughout the package:

B  batch          C  channels       H W  height, width in pixels       h w  height, width of the latents (H/8, W/8)
L  tokens (h w)   Q  learnable queries (prompt length)                 D    prompt width
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class PosePair:
    """One sample: two images of one person, and where their joints are. `x_s, x_sp` and `x_g, x_tp` of the paper.

    Attributes:
        source_image, target_image: uint8 (3, H, W), RGB; both of one size.
        source_pose, target_pose: float32 (18, 2), (y, x) in pixels of `frame`; -1 = missing.
        frame: (height, width) that the poses refer to.
        source_name, target_name: how the data set calls the two images.
    """

    source_image: Tensor
    target_image: Tensor
    source_pose: Tensor
    target_pose: Tensor
    frame: tuple[int, int]
    source_name: str
    target_name: str


@dataclass(frozen=True)
class SourceConditioning:
    """What the denoiser is told of the source image alone; computed once a source, whatever the poses.

    Attributes:
        prompt_embeds: (B, Q, D), the coarse-grained prompt F_d^out.
        query_bias: (B, L, C) a biased attention, B of eq. 4, keyed by the UNet's own layer names. Empty = no bias.
    """

    prompt_embeds: Tensor
    query_bias: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def batch_size(self) -> int:
        return self.prompt_embeds.shape[0]

    def select(self, index: Tensor | Sequence[int]) -> SourceConditioning:
        """The samples at `index`, in that order; repeats are allowed."""
        rows = torch.as_tensor(index, device=self.prompt_embeds.device)
        biases = {name: bias[rows] for name, bias in self.query_bias.items()}
        return SourceConditioning(self.prompt_embeds[rows], biases)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> SourceConditioning:
        """The same on another device or in another number format."""
        biases = {name: bias.to(device, dtype) for name, bias in self.query_bias.items()}
        return SourceConditioning(self.prompt_embeds.to(device, dtype), biases)

    def with_pose(self, pose_features: Sequence[Tensor] = ()) -> Conditioning:
        """Adds what is told of the target pose; the batch sizes must agree."""
        return Conditioning(self.prompt_embeds, self.query_bias, tuple(pose_features))


@dataclass(frozen=True)
class Conditioning(SourceConditioning):
    """All that the denoiser is told. What is absent counts as zero, and costs nothing.

    Attributes:
        pose_features: one (B, C, h, w) a down block, from the finest. Empty = no pose.
        kv_cache: None, or a dictionary that the attention processors fill at the first call with the keys and
            values of the prompt, and read at the next ones. One cache belongs to one UNet and one batch.
    """

    pose_features: tuple[Tensor, ...] = ()
    kv_cache: dict[str, tuple[Tensor, Tensor]] | None = None

    def select(self, index: Tensor | Sequence[int]) -> Conditioning:
        rows = torch.as_tensor(index, device=self.prompt_embeds.device)
        return super().select(rows).with_pose([feature[rows] for feature in self.pose_features])

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Conditioning:
        return super().to(device, dtype).with_pose([feature.to(device, dtype) for feature in self.pose_features])

    def cached(self) -> Conditioning:
        """The same with an empty prompt cache of its own, for the many steps of a sampling loop."""
        return replace(self, kv_cache={})

    @staticmethod
    def cat(parts: Sequence[Conditioning]) -> Conditioning:
        """One batch out of several; biases and poses that only some parts have become zeros in the others."""
        names = dict.fromkeys(name for part in parts for name in part.query_bias)
        levels = max(len(part.pose_features) for part in parts)
        return Conditioning(
            torch.cat([part.prompt_embeds for part in parts]),
            {name: _cat_or_zero(parts, lambda part, name=name: part.query_bias.get(name)) for name in names},
            tuple(
                _cat_or_zero(parts, lambda part, i=i: part.pose_features[i] if part.pose_features else None)
                for i in range(levels)
            ),
        )


def _cat_or_zero(parts: Sequence[Conditioning], get: Callable[..., Tensor | None]) -> Tensor:
    """Concatenates `get(part)` over parts, with zeros of the right shape where it is None."""
    tensors = [get(part) for part in parts]
    like = next(tensor for tensor in tensors if tensor is not None)
    return torch.cat(
        [
            like.new_zeros(part.batch_size, *like.shape[1:]) if tensor is None else tensor
            for part, tensor in zip(parts, tensors, strict=True)
        ]
    )
