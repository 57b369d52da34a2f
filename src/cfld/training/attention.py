"""Attention for training on a CPU, where the backward pass of PyTorch's fused kernel takes longer than plain products.

`python benchmarks/bench_training.py` measures by how much.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


@contextmanager
def training_attention(device: torch.device) -> Iterator[None]:
    """Inside, attention on that device is computed in the way whose backward pass is the fastest.

    On a CPU that is `plain_attention`. It stands in for torch's function itself, since most attentions are called by
    diffusers, and since a backward pass with gradient checkpointing calls them again.
    """
    if device.type != "cpu":
        yield
        return
    fused = F.scaled_dot_product_attention

    def attention(Q: Tensor, K: Tensor, V: Tensor, attn_mask: Tensor | None = None, *rest: Any, **options: Any) -> Any:
        unusual = any(rest) or any(value for name, value in options.items() if name != "scale")
        if unusual or (attn_mask is not None and not attn_mask.is_floating_point()):
            return fused(Q, K, V, attn_mask, *rest, **options)
        return plain_attention(Q, K, V, attn_mask, options.get("scale"))

    F.scaled_dot_product_attention = attention  # type: ignore[assignment]
    try:
        yield
    finally:
        F.scaled_dot_product_attention = fused


def plain_attention(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None, scale: float | None = None) -> Tensor:
    """softmax(Q K^T scale + mask) V, all (..., L, d); `scale` is 1 / sqrt(d) unless given."""
    weights = (Q * (Q.shape[-1] ** -0.5 if scale is None else scale)) @ K.mT
    return (weights if mask is None else weights + mask).softmax(-1) @ V
