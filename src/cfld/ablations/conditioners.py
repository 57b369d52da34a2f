"""The conditioners of table 3's baselines: the method's own with a component removed or replaced.

All take the arguments of `Conditioner`, so that the same configuration builds any of them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from diffusers import ModelMixin  # noqa: F401  diffusers looks for it in the module of a class that it loads
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn
from torch.nn import functional as F

from cfld.models.conditioner import Conditioner

if TYPE_CHECKING:
    from transformers import CLIPVisionModel


class AblatedConditioner(Conditioner):
    """A conditioner that is modified after its construction."""

    @functools.wraps(Conditioner.__init__)  # type: ignore[misc]  # diffusers reads the signature
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ablate()

    def ablate(self) -> None:
        """Removes or replaces components."""

    def set_prompt_length(self, tokens: int) -> None:
        """Replaces the null prompt by one of this length."""
        self.null_prompt = nn.Parameter(torch.randn(1, tokens, self.config.prompt_dim))


class PromptConditioner(AblatedConditioner):
    """B3, and B4 if the queries are trained too: the prompt of H_D without query bias."""

    def ablate(self) -> None:
        self.appearance_encoders = nn.ModuleList()

    def encode_query_bias(self, features: Sequence[Tensor]) -> dict[str, Tensor]:  # noqa: ARG002
        return {}


class SwinPromptConditioner(AblatedConditioner):
    """B5: the prompt consists of the projected tokens of f_4; queries are biased as in the method."""

    levels = slice(-1, None)
    """Of f_1 to f_4, those whose tokens make the prompt."""

    def ablate(self) -> None:
        super().ablate()
        channels = self.source_encoder.channels
        sides = [self.latent_size[0] // 2**level for level in range(len(channels))]
        self.prompt_decoder = FeaturePrompt(channels[self.levels], self.config.prompt_dim)  # type: ignore[assignment]
        self.set_prompt_length(sum(side**2 for side in sides[self.levels]))

    def encode_prompt(self, features: Sequence[Tensor]) -> Tensor:
        prompt: Tensor = self.prompt_decoder(features[self.levels])
        return prompt


class MultiScaleConditioner(SwinPromptConditioner, PromptConditioner):
    """B1: the prompt consists of all tokens of f_1 to f_4, as the appearance conditions of PIDM and PoCoLD do."""

    levels = slice(None)


class CLIPConditioner(PromptConditioner):
    """B2: a CLIP image encoder instead of H_S; a small mapper turns its class token into a prompt of one token.

    The mapper is that of Paint by Example (Yang et al., 2023), which the paper cites. At the paper's dimensions the
    encoder is CLIP ViT-L/14 at 224x224; otherwise it has the width and depth of H_S.
    """

    def ablate(self) -> None:
        super().ablate()
        clip = clip_vision_config(self)
        self.source_encoder = CLIPEncoder(clip)  # type: ignore[assignment]
        self.prompt_decoder = ClassTokenMapper(clip.hidden_size, self.config.prompt_dim)  # type: ignore[assignment]
        self.set_prompt_length(1)


class FrozenCLIPConditioner(CLIPConditioner):
    """B2 with a frozen encoder, for pretrained weights; see `load_clip`."""

    def ablate(self) -> None:
        super().ablate()
        self.source_encoder.requires_grad_(False)


class FeaturePrompt(nn.Module):
    """The tokens of feature maps, normalised and projected to the width of the prompt."""

    def __init__(self, channels: Sequence[int], dim: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in channels)
        self.projections = nn.ModuleList(nn.Linear(width, dim) for width in channels)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """(B, C_l, H_l, W_l) each -> (B, sum of H_l W_l, D)."""
        tokens = [feature.flatten(2).transpose(1, 2) for feature in features]
        parts = zip(tokens, self.norms, self.projections, strict=True)
        return torch.cat([projection(norm(token)) for token, norm, projection in parts], dim=1)


class CLIPEncoder(nn.Module):
    """transformers' CLIP image encoder with the interface of H_S."""

    MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
    STD: Final = (0.26862954, 0.26130258, 0.27577711)
    """Of CLIP's training images in [0, 1] (Radford et al., 2021)."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.clip = _clip_class()(config)
        self.side = config.image_size

    def forward(self, source_image: Tensor) -> tuple[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> the class token as a feature map, (B, C, 1, 1)."""
        image = F.interpolate(source_image, (self.side, self.side), mode="bicubic", antialias=True, align_corners=False)
        mean, std = (image.new_tensor(values)[:, None, None] for values in (self.MEAN, self.STD))
        pooled = self.clip(pixel_values=((image + 1) / 2 - mean) / std).pooler_output
        return (pooled[:, :, None, None],)


class ClassTokenMapper(nn.Module):
    """Five transformer layers on one token, and a projection to the width of the prompt."""

    def __init__(self, width: int, dim: int, depth: int = 5) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(BasicTransformerBlock(width, 1, width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, dim)

    def forward(self, token: Tensor) -> Tensor:
        """(B, C, 1, 1) -> (B, 1, D)."""
        x = token.flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.projection(self.norm(x))


def clip_vision_config(conditioner: Conditioner) -> Any:
    """Returns the CLIP configuration for a conditioner's dimensions: ViT-L/14 at 224x224 for the paper's."""
    from transformers import CLIPVisionConfig

    c = conditioner.config
    width, image_size = c.swin_dim * 2 ** (len(c.swin_depths) - 1), c.source_size * 7 // 8
    return CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=sum(c.swin_depths),
        num_attention_heads=max(1, width // 64),
        image_size=image_size,
        patch_size=max(1, image_size // 16),
    )


def load_clip(conditioner: CLIPConditioner, folder: str) -> None:
    """Loads pretrained weights from a folder in transformers layout or a hub id (openai/clip-vit-large-patch14).

    Raises:
        ValueError: if they cannot be loaded or have other dimensions.
    """
    try:
        loaded = _clip_class().from_pretrained(folder, use_safetensors=True)
        conditioner.get_submodule("source_encoder.clip").load_state_dict(loaded.state_dict())
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{folder}: not a CLIP image encoder with the dimensions of ViT-L/14 ({reason})") from None


def _clip_class() -> type[CLIPVisionModel]:
    try:
        from transformers import CLIPVisionModel
    except ImportError:
        raise ValueError("the baseline B2 needs transformers: pip install 'cfld[ablations]'") from None
    return CLIPVisionModel


ABLATED: Final = (
    MultiScaleConditioner,
    CLIPConditioner,
    FrozenCLIPConditioner,
    PromptConditioner,
    SwinPromptConditioner,
)
