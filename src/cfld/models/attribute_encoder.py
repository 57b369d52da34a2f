"""Attributes -> prompt: what a text encoder is to Stable Diffusion, for a UNet that is pretrained on attributes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor, nn


class AttributeEncoder(ModelMixin, ConfigMixin):
    """A token for each phrase of a description: the sum of its words' embeddings, normalised to one length."""

    @register_to_config
    def __init__(self, vocabulary: int, tokens: Sequence[int], num_queries: int, prompt_dim: int) -> None:
        """
        Args:
            vocabulary: number of attributes; number 0, the empty one, has no embedding.
            tokens: the token of the prompt that each of an image's attributes is part of, counted from 0.
            num_queries: Q, the length of the prompt.
            prompt_dim: D, the UNet's cross_attention_dim.
        """
        super().__init__()
        self.tokens = tuple(tokens)
        self.embedding = nn.Embedding(vocabulary, prompt_dim, padding_idx=0)
        self.position = nn.Parameter(torch.randn(num_queries, prompt_dim))
        self.norm = nn.LayerNorm(prompt_dim)

    def forward(self, attributes: Tensor) -> Tensor:
        """int64 (B, N), numbers of the vocabulary -> prompt_embeds (B, Q, D)."""
        words = self.embedding(attributes)  #                                    (B, N, D)
        tokens = torch.tensor(self.tokens, device=attributes.device)
        prompt = self.position.expand(len(attributes), -1, -1)
        return self.norm(prompt.index_add(1, tokens, words))  #                  (B, Q, D)
