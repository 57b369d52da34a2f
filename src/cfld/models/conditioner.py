"""H_S, H_D, H_A and H_P joined: source image and pose map -> `Conditioning`; null condition; condition dropout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from diffusers import ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor, nn

from cfld.models.choices import DropoutMode
from cfld.models.hybrid_granularity_attention import FineGrainedAppearanceEncoder, biased_attention_names
from cfld.models.perception_refined_decoder import PerceptionRefinedDecoder
from cfld.models.pose_adapter import PoseAdapter
from cfld.models.swin import SwinTransformer
from cfld.types import Conditioning, SourceConditioning


class Conditioner(ModelMixin, ConfigMixin):
    """All of the method except the UNet. Defaults are the paper's (table 1).

    The scales must match: f_1 has source_size / patch_size tokens a side, as many as the latents, and the pose map
    has `pose_downscale` times that side.
    """

    _supports_gradient_checkpointing = True
    output_size: tuple[int, int] | None = None
    """(height, width) of the images of the pipeline that it is part of, saved in that pipeline's index."""

    @register_to_config
    def __init__(
        self,
        source_size: int = 256,
        patch_size: int = 4,
        swin_dim: int = 128,
        swin_depths: Sequence[int] = (2, 2, 18, 2),
        swin_heads: Sequence[int] = (4, 8, 16, 32),
        window_size: int = 16,
        drop_path_rate: float = 0.2,
        num_queries: int = 16,
        prompt_dim: int = 768,
        decoder_depth: int = 8,
        decoder_heads: int = 24,
        appearance_dims: Sequence[int] = (64, 128, 256),
        appearance_heads: Sequence[int] = (2, 4, 8),
        appearance_depth: int = 4,
        pose_channels: int = 21,
        pose_downscale: int = 4,
        pose_norm_groups: int = 32,
        unet_channels: Sequence[int] = (320, 640, 1280),
        attentions_per_block: int = 3,
    ) -> None:
        """
        Args:
            source_size: side of the square source image in pixels.
            patch_size, swin_*, window_size, drop_path_rate: H_S.
            num_queries, prompt_dim, decoder_*: H_D; prompt_dim is the UNet's cross_attention_dim.
            appearance_*: H_A, one entry per scale from the finest (f_1) on.
            pose_*: H_P.
            unet_channels: channels of the UNet's blocks from the finest on; one scale of H_A and H_P each.
            attentions_per_block: cross-attentions of each up block, the UNet's layers_per_block + 1.
        """
        super().__init__()
        self.source_encoder = SwinTransformer(
            source_size, patch_size, swin_dim, swin_depths, swin_heads, window_size, drop_path_rate
        )
        tokens = (source_size // (patch_size * 2 ** (len(swin_depths) - 1))) ** 2
        self.prompt_decoder = PerceptionRefinedDecoder(
            tokens, self.source_encoder.channels[-1], num_queries, prompt_dim, decoder_depth, decoder_heads
        )
        self.appearance_encoders = nn.ModuleList(
            FineGrainedAppearanceEncoder(
                self.source_encoder.channels[scale],
                appearance_dims[scale],
                unet_channels[scale],
                appearance_heads[scale],
                appearance_depth,
            )
            for scale in reversed(range(len(unet_channels)))
            for _ in range(attentions_per_block)
        )
        self.pose_adapter = PoseAdapter(pose_channels, unet_channels, pose_downscale, pose_norm_groups)
        self.null_prompt = nn.Parameter(torch.randn(1, num_queries, prompt_dim))

    @property
    def bias_names(self) -> tuple[str, ...]:
        """The UNet's names of the attentions that `appearance_encoders` bias, in that order."""
        return biased_attention_names(len(self.config.unet_channels) + 1, self.config.attentions_per_block)

    @property
    def latent_size(self) -> tuple[int, int]:
        """(height, width) of the latents: those of f_1, whose tokens bias the queries of the finest attentions."""
        side = self.config.source_size // self.config.patch_size
        return side, side

    @property
    def pose_size(self) -> tuple[int, int]:
        """(height, width) of the pose map."""
        height, width = self.latent_size
        return height * self.config.pose_downscale, width * self.config.pose_downscale

    def forward(self, source_image: Tensor | None, pose_map: Tensor | None) -> Conditioning:
        """Encodes a source image and a pose map; at least one of them.

        Args:
            source_image: (B, 3, source_size, source_size) in [-1, 1], or None for the null prompt.
            pose_map: (B, 21, *pose_size) in [0, 1], or None for no pose.
        """
        source: SourceConditioning
        if source_image is not None:
            source = self.encode_source(source_image)
        elif pose_map is not None:
            source = self.null(len(pose_map))
        else:
            raise ValueError("give a source image, a pose map, or both; for neither, use null(batch_size)")
        return source.with_pose(() if pose_map is None else self.encode_pose(pose_map))

    def encode_source(self, source_image: Tensor) -> SourceConditioning:
        """H_S, H_D, H_A: everything that depends on the source alone."""
        # section 3.2: F_s = [f_1, f_2, f_3, f_4] = H_S(x_s)
        features = self.source_encoder(source_image)
        return SourceConditioning(self.encode_prompt(features), self.encode_query_bias(features))

    def encode_prompt(self, features: Sequence[Tensor]) -> Tensor:
        """H_D: f_4 -> F_d^out (B, Q, D)."""
        prompt_embeds: Tensor = self.prompt_decoder(features[-1])
        return prompt_embeds

    def encode_query_bias(self, features: Sequence[Tensor]) -> dict[str, Tensor]:
        """H_A: f_1 .. f_3 -> B (B, L, C) per biased attention, from the coarsest scale on."""
        scales = reversed(range(len(self.config.unet_channels)))
        inputs = [features[scale] for scale in scales for _ in range(self.config.attentions_per_block)]
        encoders = zip(self.bias_names, self.appearance_encoders, inputs, strict=True)
        return {name: phi_A(f_l) for name, phi_A, f_l in encoders}

    def encode_pose(self, pose_map: Tensor) -> tuple[Tensor, ...]:
        """H_P: everything that depends on the pose alone."""
        return self.pose_adapter(pose_map)

    def null(self, batch_size: int) -> Conditioning:
        """The empty set of eq. 7 for source and pose: the learned null prompt, no bias, no pose features."""
        return Conditioning(self.null_prompt.expand(batch_size, -1, -1))

    def drop(self, conditioning: Conditioning, masks: DropoutMasks) -> Conditioning:
        """Replaces masked conditions by the empty set, sample by sample, to train for classifier-free guidance."""
        prompt_embeds = conditioning.prompt_embeds
        prompt, bias, pose = (mask.to(prompt_embeds.device) for mask in (masks.prompt, masks.bias, masks.pose))
        return Conditioning(
            torch.where(prompt[:, None, None], self.null_prompt.to(prompt_embeds), prompt_embeds),
            {name: B * ~bias[:, None, None] for name, B in conditioning.query_bias.items()},
            tuple(feature * ~pose[:, None, None, None] for feature in conditioning.pose_features),
        )

    def enable_gradient_checkpointing(self) -> None:
        """Recomputes H_S in the backward pass: less memory, a third more time for H_S."""
        self.source_encoder.gradient_checkpointing = True

    def disable_gradient_checkpointing(self) -> None:
        self.source_encoder.gradient_checkpointing = False


@dataclass(frozen=True)
class DropoutMasks:
    """bool (B,) each: the samples whose prompt, query biases and pose features are dropped."""

    prompt: Tensor
    bias: Tensor
    pose: Tensor


def sample_dropout(
    batch_size: int, rate: float, mode: DropoutMode, generator: torch.Generator | None = None
) -> DropoutMasks:
    """Samples which conditions are dropped, each with probability `rate` (eta, section 3.3).

    Args:
        mode: `joint`: source and pose together (the paper). `prompt`: the prompt only; biases and pose stay (the
            release's default). `independent`: source and pose separately, which trains all three branches of eq. 7.
    """
    if mode not in get_args(DropoutMode):
        raise ValueError(f"dropout_mode is one of {get_args(DropoutMode)}, got {mode!r}")
    device = generator.device if generator is not None else None
    source, pose = (torch.rand(2, batch_size, generator=generator, device=device) < rate).unbind()
    never = torch.zeros_like(source)
    return {
        "joint": DropoutMasks(source, source, source),
        "prompt": DropoutMasks(source, never, never),
        "independent": DropoutMasks(source, source, pose),
    }[mode]
