"""Where in the source image each learned query of H_D attends, as in figure 7 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cfld.contact_sheet import contact_sheet
from cfld.data.transforms import resize, to_pil, to_rgb, to_uint8
from cfld.inputs import Images, is_extended, source_batch
from cfld.models.attention_maps import recorded_attention
from cfld.pipeline import CFLDPipeline

Blocks = Literal["last", "mean"]
"""Blocks of H_D: the last one, whose output is the prompt, or the mean over all."""

OPACITY: Final = 0.7
"""Opacity of the heat map where the attention is highest."""


def query_attention(pipe: CFLDPipeline, source_image: Images, blocks: Blocks = "last") -> Tensor:
    """Computes the attention map of each learned query over the source image, averaged over the heads.

    Args:
        source_image: as in the pipeline's call.

    Returns:
        float32 (B, Q, h, w) over the tokens of H_S's last scale; each map sums to 1.
    """
    if blocks not in get_args(Blocks):
        raise ValueError(f"blocks must be one of {', '.join(get_args(Blocks))}, got {blocks!r}")
    with recorded_attention(pipe.conditioner.prompt_decoder) as maps:
        pipe.encode_source(source_image)
    return (maps[-1] if blocks == "last" else torch.stack(maps).mean(0)).float().cpu()


def overlay(image: Image.Image, attention: Tensor) -> Image.Image:
    """Lays a heat map over the image in grey, from transparent (lowest attention) to red (highest).

    Args:
        attention: (h, w), of any range.
    """
    normalised = (attention - attention.min()) / (attention.max() - attention.min()).clamp(min=1e-12)
    smooth = resize(normalised[None].float(), (image.height, image.width), value_range=(0.0, 1.0))[0].numpy()
    heat = cv2.applyColorMap((smooth * 255).round().astype(np.uint8), cv2.COLORMAP_JET)
    opacity = Image.fromarray((smooth * 255 * OPACITY).round().astype(np.uint8))
    return Image.composite(Image.fromarray(heat[..., ::-1].copy()), image.convert("L").convert("RGB"), opacity)


def attention_sheet(
    pipe: CFLDPipeline, images: Sequence[Image.Image], blocks: Blocks = "last", height: int = 192
) -> Image.Image:
    """Plots one row per source image: the image, then the attention map of each query over it.

    Args:
        height: of a cell in pixels; its aspect ratio is that of the model's output.
    """
    cell = (height, round(height * pipe.config.output_size[1] / pipe.config.output_size[0]))
    sources = [_as_encoded(pipe, image).resize(cell[::-1], Image.Resampling.BICUBIC) for image in images]
    attention = query_attention(pipe, list(images), blocks)
    rows = [[source, *(overlay(source, m) for m in maps)] for source, maps in zip(sources, attention, strict=True)]
    return contact_sheet(rows, ("source", *(str(query + 1) for query in range(attention.shape[1]))), cell)


def _as_encoded(pipe: CFLDPipeline, image: Image.Image) -> Image.Image:
    """The image, or the square that it is encoded as if it is extended to the model's aspect ratio."""
    side, shape = pipe.conditioner.config.source_size, tuple(pipe.config.output_size)
    if not is_extended((image.height, image.width), side, shape):
        return to_rgb(image)
    return to_pil(to_uint8(source_batch(image, side, shape)[0]))
