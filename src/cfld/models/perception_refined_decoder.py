"""H_D: the perception-refined decoder, learnable queries -> coarse-grained prompt (paper section 3.2, figure 2b)."""

from __future__ import annotations

import torch
from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn


class PerceptionRefinedDecoder(nn.Module):
    """R blocks refine Q learnable queries by cross-attention to f_4; the output takes the place of a text prompt."""

    def __init__(
        self,
        source_tokens: int = 64,
        source_dim: int = 1024,
        num_queries: int = 16,
        dim: int = 768,
        depth: int = 8,
        num_heads: int = 24,
    ) -> None:
        """
        Args:
            source_tokens, source_dim: tokens and channels of f_4.
            num_queries: Q, the length of the prompt.
            dim: D, its width; the UNet's cross_attention_dim.
            depth: R blocks.
        """
        super().__init__()
        self.queries = nn.Parameter(torch.randn(num_queries, dim) * 0.02)
        self.query_position = nn.Parameter(torch.randn(num_queries, dim) * 0.02)
        self.source_position = nn.Parameter(torch.randn(1, source_tokens, source_dim) * 0.02)
        self.blocks = nn.ModuleList(DecoderBlock(dim, source_dim, num_heads) for _ in range(depth))

    def forward(self, f_4: Tensor) -> Tensor:
        """(B, C, H, W) -> prompt_embeds (B, Q, D)."""
        # section 3.2: F_d^out = H_D(F_d^in, f_4)
        source = f_4.flatten(2).transpose(1, 2) + self.source_position  #  (B, L, C)
        F_d = self.queries.expand(len(f_4), -1, -1)  #                     (B, Q, D), F_d^in
        for block in self.blocks:
            F_d = block(F_d, self.query_position, source)
        return F_d


class DecoderBlock(nn.Module):
    """Cross-attention to the source, self-attention, GEGLU; pre-norm, the position added before each attention."""

    def __init__(self, dim: int, source_dim: int, num_heads: int) -> None:
        super().__init__()
        dim_head = dim // num_heads
        self.norm1 = nn.LayerNorm(dim)
        self.attn1 = Attention(dim, heads=num_heads, dim_head=dim_head)
        self.norm2 = nn.LayerNorm(dim)
        self.attn2 = Attention(dim, cross_attention_dim=source_dim, heads=num_heads, dim_head=dim_head)
        self.norm3 = nn.LayerNorm(dim)
        self.ff = FeedForward(dim, activation_fn="geglu")

    def forward(self, x: Tensor, position: Tensor, source: Tensor) -> Tensor:
        """x: (B, Q, D), position: (Q, D), source: (B, L, C) -> (B, Q, D)."""
        x = x + position
        x = x + self.attn2(self.norm2(x), encoder_hidden_states=source)
        x = x + position
        x = x + self.attn1(self.norm1(x))
        return x + self.ff(self.norm3(x))
