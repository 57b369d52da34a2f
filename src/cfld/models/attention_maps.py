"""Attention maps of H_D's learnable queries over the source image (paper figure 7)."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from diffusers.models.attention_processor import Attention
from torch import Tensor

from cfld.models.perception_refined_decoder import PerceptionRefinedDecoder


@contextmanager
def recorded_attention(decoder: PerceptionRefinedDecoder) -> Iterator[list[Tensor]]:
    """Records the decoder's cross-attention over f_4 in this thread while the block runs, without changing its output.

    Yields:
        a list to which each forward pass of the decoder appends R tensors, one per decoder block: (B, Q, h, w) over
        the tokens of f_4, averaged over the heads. Each query's map sums to 1.
    """
    maps: list[Tensor] = []
    with ExitStack() as hooks:
        for block in decoder.blocks:
            record = functools.partial(_record, maps, threading.get_ident())
            hooks.enter_context(block.get_submodule("attn2").register_forward_pre_hook(record, with_kwargs=True))
        yield maps


def _record(
    maps: list[Tensor], thread: int, attention: Attention, args: tuple[Tensor, ...], kwargs: dict[str, Any]
) -> None:
    """A forward pre-hook: computes softmax(Q K^T / sqrt(d)) per head from the attention's arguments."""
    if threading.get_ident() != thread:
        return
    Q = attention.head_to_batch_dim(attention.to_q(args[0]))  #                        (B heads, Q, d)
    K = attention.head_to_batch_dim(attention.to_k(kwargs["encoder_hidden_states"]))  # (B heads, L, d)
    weights = attention.get_attention_scores(Q, K)  #                                  (B heads, Q, L)
    side = math.isqrt(weights.shape[-1])
    maps.append(weights.unflatten(0, (-1, attention.heads)).mean(1).unflatten(-1, (side, side)).detach())
