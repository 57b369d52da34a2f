"""H_A: hybrid-granularity attention (paper section 3.2, eq. 4, figure 2c).

`FineGrainedAppearanceEncoder` is phi_A; `HybridGranularityAttnProcessor` adds its output to the queries of a stock
diffusers attention; `install` and `remove` attach the processors to a UNet and detach them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

FEW_SCORES: Final = 256 * 256
"""Queries times keys up to which `two_products` is the faster way."""


class FineGrainedAppearanceEncoder(nn.Module):
    """phi_A: f_l -> B for one biased attention, K transformer layers between two zero convolutions."""

    def __init__(self, in_channels: int, dim: int, out_channels: int, num_heads: int, depth: int = 4) -> None:
        """
        Args:
            in_channels: channels of f_l.
            dim: width of the transformer layers.
            out_channels: width of the attention's queries.
            depth: K.
        """
        super().__init__()
        self.zero_conv_in = zero_init(nn.Conv2d(in_channels, dim, kernel_size=1))
        self.blocks = nn.ModuleList(
            BasicTransformerBlock(dim, num_heads, dim // num_heads, double_self_attention=True) for _ in range(depth)
        )
        self.zero_conv_out = zero_init(nn.Conv2d(dim, out_channels, kernel_size=1))

    def forward(self, f_l: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, H W, C_out)."""
        # eq. 4: B = phi_A(f_l)
        x = self.zero_conv_in(f_l)
        tokens = x.flatten(2).transpose(1, 2)  #                 (B, L, dim)
        for block in self.blocks:
            tokens = block(tokens)
        x = tokens.transpose(1, 2).unflatten(2, x.shape[2:])  #  (B, dim, H, W)
        return self.zero_conv_out(x).flatten(2).transpose(1, 2)


def zero_init(layer: nn.Conv2d) -> nn.Conv2d:
    """Zeroes weight and bias, so that the layer outputs zero at first (ControlNet, Zhang et al., 2023)."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class HybridGranularityAttnProcessor:
    """Scaled dot-product attention with biased queries (eq. 4); without a bias, the stock processor's result.

    Stateless: `query_bias` and `kv_cache` come through the UNet's `cross_attention_kwargs`, and each processor uses
    the entry under the name of its own attention.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        query_bias: Mapping[str, Tensor] | None = None,
        kv_cache: dict[str, tuple[Tensor, Tensor]] | None = None,
    ) -> Tensor:
        """
        Args:
            hidden_states: (B, L, C), F_h.
            encoder_hidden_states: (B, Q, D), the prompt F_d^out; None in self-attention.
            query_bias: (B, L, C) per biased attention.
            kv_cache: filled with the prompt's keys and values at the first call, read at later ones.

        Returns:
            (B, L, C), F_o.
        """
        B = (query_bias or {}).get(self.name)
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        cache = {} if encoder_hidden_states is None or kv_cache is None else kv_cache
        # eq. 4: Q = W_q F_h, K = W_k F_d^out, V = W_v F_d^out
        Q = attn.to_q(hidden_states)  #                                             (B, L, C)
        if self.name not in cache:
            cache[self.name] = attn.to_k(context), attn.to_v(context)
        K, V = cache[self.name]  #                                                  (B, Q, C)
        # eq. 4: F_o = softmax((Q + B) K^T / sqrt(d)) V
        Q = Q if B is None else Q + B.to(Q.dtype)
        Q, K, V = (x.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for x in (Q, K, V))
        F_o = scaled_dot_product_attention(Q, K, V, attention_mask)  #              (B, heads, L, d)
        return attn.to_out[1](attn.to_out[0](F_o.transpose(1, 2).flatten(2)))


def scaled_dot_product_attention(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> Tensor:
    """torch's own, except in bfloat16 on the CPU for few tokens, where `two_products` takes half its time or less
    (`benchmarks/bench_attention.py`).

    Args:
        Q: (B, heads, L, d).
        K, V: (B, heads, M, d).
        mask: added to the (L, M) scores.
    """
    few = Q.shape[-2] * K.shape[-2] <= FEW_SCORES
    if few and mask is None and Q.dtype == torch.bfloat16 and Q.device.type == "cpu":
        return two_products(Q, K, V)
    return F.scaled_dot_product_attention(Q, K, V, attn_mask=mask)


def two_products(Q: Tensor, K: Tensor, V: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V with all scores in memory."""
    return ((Q * Q.shape[-1] ** -0.5) @ K.transpose(-1, -2)).softmax(dim=-1) @ V


def install(unet: UNet2DConditionModel) -> dict[str, object]:
    """Sets a processor on every attention of the UNet, unless they all have one.

    Returns:
        the previous processors, for `remove`.
    """
    previous = dict(unet.attn_processors)
    if not is_installed(unet):
        unet.set_attn_processor(
            {key: HybridGranularityAttnProcessor(key.removesuffix(".processor")) for key in previous}
        )
    return previous


def remove(unet: UNet2DConditionModel, previous: Mapping[str, object]) -> None:
    """Undoes `install`, given its result."""
    unet.set_attn_processor(dict(previous))


def is_installed(unet: UNet2DConditionModel) -> bool:
    """Whether every attention of the UNet has one of these processors."""
    return all(isinstance(processor, HybridGranularityAttnProcessor) for processor in unet.attn_processors.values())


def takes_bias(unet: UNet2DConditionModel, name: str) -> bool:
    """Whether the UNet has an attention of that name with one of these processors."""
    try:
        return isinstance(unet.get_submodule(name).processor, HybridGranularityAttnProcessor)
    except AttributeError:
        return False


def biased_attention_names(num_blocks: int = 4, attentions_per_block: int = 3) -> tuple[str, ...]:
    """The UNet's names of the cross-attentions in all up blocks but the coarsest, in the order of the forward pass."""
    return tuple(
        f"up_blocks.{block}.attentions.{i}.transformer_blocks.0.attn2"
        for block in range(1, num_blocks)
        for i in range(attentions_per_block)
    )
