"""The values that pass between packages. Shape legend, used throughout:

B  batch          C  channels       H W  height, width in pixels       h w  height, width of the latents (H/8, W/8)
L  tokens (h w)   Q  learnable queries (prompt length)                 D    prompt width
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import torch
from torch import Tensor

T = TypeVar("T", bound="SourceConditioning")

JUNK: Final = -1
"""Identity in re-identification: a box without a person, or with a part of one. It is not ranked."""
DISTRACTOR: Final = 0
"""Identity in re-identification: a person who is in no query."""


@dataclass(frozen=True)
class PosePair:
    """One sample: two images of one person and their keypoints; `x_s, x_sp` and `x_g, x_tp` of the paper.

    Attributes:
        source_image, target_image: uint8 (3, H, W), RGB; both of one size.
        source_pose, target_pose: float32 (18, 2), (y, x) in pixels of `frame`; -1 = missing.
        frame: (height, width) that the poses refer to.
        source_name, target_name: names of the two images in the data set.
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
    """The conditions that depend on the source image alone; computed once per source, for any number of poses.

    Attributes:
        prompt_embeds: (B, Q, D), the coarse-grained prompt F_d^out.
        query_bias: (B, L, C) per biased attention, B of eq. 4, keyed by the UNet's own layer names. Empty = no bias.
    """

    prompt_embeds: Tensor
    query_bias: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def batch_size(self) -> int:
        return self.prompt_embeds.shape[0]

    def map(self: T, function: Callable[[Tensor], Tensor]) -> T:
        """Applies a function to every tensor."""
        query_bias = {name: function(B) for name, B in self.query_bias.items()}
        return replace(self, prompt_embeds=function(self.prompt_embeds), query_bias=query_bias)

    def select(self: T, index: Tensor | Sequence[int]) -> T:
        """Returns the samples at `index`, in that order; indices may repeat."""
        index = torch.as_tensor(index, device=self.prompt_embeds.device)
        return self.map(lambda tensor: tensor[index])

    def to(self: T, device: torch.device | str, dtype: torch.dtype | None = None) -> T:
        """Moves and casts all tensors."""
        return self.map(lambda tensor: tensor.to(device, dtype))

    def with_pose(self, pose_features: Sequence[Tensor] = ()) -> Conditioning:
        """Adds the features of the target pose; the batch sizes must agree."""
        return Conditioning(self.prompt_embeds, self.query_bias, tuple(pose_features))


@dataclass(frozen=True)
class Conditioning(SourceConditioning):
    """All conditions of the denoiser. Absent ones count as zero and cost nothing.

    Attributes:
        pose_features: one (B, C, h, w) per down block, from the finest on. Empty = no pose.
        kv_cache: None, or a dictionary in which the attention processors keep the keys and values of the prompt
            from the first call on. One cache belongs to one UNet and one batch.
    """

    pose_features: tuple[Tensor, ...] = ()
    kv_cache: dict[str, tuple[Tensor, Tensor]] | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Conditioning:
        return super().map(function).with_pose([function(feature) for feature in self.pose_features])

    def cached(self) -> Conditioning:
        """Adds an empty key-value cache, for the many steps of a sampling loop."""
        return replace(self, kv_cache={})

    @staticmethod
    def cat(items: Sequence[Conditioning]) -> Conditioning:
        """Concatenates along the batch; biases and pose features that only some items have are zero in the others."""
        names = dict.fromkeys(name for item in items for name in item.query_bias)
        scales = range(max(len(item.pose_features) for item in items))
        return Conditioning(
            torch.cat([item.prompt_embeds for item in items]),
            {name: _cat_or_zero(items, [item.query_bias.get(name) for item in items]) for name in names},
            tuple(
                _cat_or_zero(items, [item.pose_features[i] if item.pose_features else None for item in items])
                for i in scales
            ),
        )


def _cat_or_zero(items: Sequence[Conditioning], tensors: Sequence[Tensor | None]) -> Tensor:
    """Concatenates one tensor per item, with zeros of the right shape where it is None."""
    like = next(tensor for tensor in tensors if tensor is not None)
    zeros = (like.new_zeros(item.batch_size, *like.shape[1:]) for item in items)
    return torch.cat([zero if tensor is None else tensor for zero, tensor in zip(zeros, tensors, strict=True)])
