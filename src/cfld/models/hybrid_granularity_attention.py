"""H_A: hybrid-granularity attention (paper section 3.2, eq. 4, figure 2c).

`FineGrainedAppearanceEncoder` is phi_A; `HybridGranularityAttnProcessor` adds its output to the queries of a stock
diffusers attention; `install` and `remove` put the processors on a UNet and take them off again.
"""

from __future__ import annotations

from collections.abc import Mapping

from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F


class FineGrainedAppearanceEncoder(nn.Module):
    """phi_A: f_l -> B, K transformer layers between two zero convolutions, for one biased attention."""

    def __init__(self, in_channels: int, dim: int, out_channels: int, num_heads: int, depth: int = 4) -> None:
        super().__init__()
        self.zero_conv_in = zero_init(nn.Conv2d(in_channels, dim, kernel_size=1))
        self.blocks = nn.ModuleList(
            BasicTransformerBlock(dim, num_heads, dim // num_heads, double_self_attention=True) for _ in range(depth)
        )
        self.zero_conv_out = zero_init(nn.Conv2d(dim, out_channels, kernel_size=1))

    def forward(self, feature: Tensor) -> Tensor:
        """f_l: (B, C_in, H, W) -> B: (B, H W, C_out)."""
        x = self.zero_conv_in(feature)
        tokens = x.flatten(2).transpose(1, 2)  #                      (B, L, dim)
        for block in self.blocks:
            tokens = block(tokens)
        x = tokens.transpose(1, 2).unflatten(2, x.shape[2:])  #       (B, dim, H, W)
        return self.zero_conv_out(x).flatten(2).transpose(1, 2)


def zero_init(layer: nn.Conv2d) -> nn.Conv2d:
    """A layer that starts by giving zero (ControlNet, Zhang et al., 2023)."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class HybridGranularityAttnProcessor:
    """Scaled dot-product attention that adds a bias to its queries where it is handed one.

    Stateless: `query_bias` and `kv_cache` come through the UNet's `cross_attention_kwargs`, and each processor
    takes the entry of its own attention. Without them it computes what the stock processor does.
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
        Q = attn.to_q(hidden_states)  #                                                    (B, L, C)
        if query_bias and self.name in query_bias:
            Q = Q + query_bias[self.name].to(Q.dtype)
        if encoder_hidden_states is None:
            K, V = attn.to_k(hidden_states), attn.to_v(hidden_states)
        else:
            K, V = self._prompt_keys_values(attn, encoder_hidden_states, kv_cache)
        # eq. 4: F_o = softmax((Q + B) K^T / sqrt(d)) V
        Q, K, V = (x.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for x in (Q, K, V))
        F_o = F.scaled_dot_product_attention(Q, K, V, attn_mask=attention_mask)
        return attn.to_out[1](attn.to_out[0](F_o.transpose(1, 2).flatten(2)))

    def _prompt_keys_values(
        self, attn: Attention, prompt: Tensor, cache: dict[str, tuple[Tensor, Tensor]] | None
    ) -> tuple[Tensor, Tensor]:
        if cache is None:
            return attn.to_k(prompt), attn.to_v(prompt)
        if self.name not in cache:
            cache[self.name] = attn.to_k(prompt), attn.to_v(prompt)
        return cache[self.name]


def install(unet: UNet2DConditionModel) -> dict[str, object]:
    """Puts a processor on every attention of the UNet; does nothing where they already sit.

    Returns:
        the processors that were there, for `remove`.
    """
    previous = dict(unet.attn_processors)
    if not is_installed(unet):
        unet.set_attn_processor(
            {key: HybridGranularityAttnProcessor(key.removesuffix(".processor")) for key in previous}
        )
    return previous


def remove(unet: UNet2DConditionModel, previous: Mapping[str, object]) -> None:
    """Undoes `install`, given what it returned."""
    unet.set_attn_processor(dict(previous))


def is_installed(unet: UNet2DConditionModel) -> bool:
    """Whether every attention of the UNet has one of these processors."""
    return all(isinstance(processor, HybridGranularityAttnProcessor) for processor in unet.attn_processors.values())


def takes_bias(unet: UNet2DConditionModel, name: str) -> bool:
    """Whether the UNet has an attention of that name with one of these processors on it."""
    try:
        return isinstance(unet.get_submodule(name).processor, HybridGranularityAttnProcessor)
    except AttributeError:
        return False


def biased_attention_names(num_blocks: int = 4, attentions_per_block: int = 3) -> tuple[str, ...]:
    """The UNet's names of the cross-attentions of its up blocks but the coarsest, in the order of the forward pass."""
    return tuple(
        f"up_blocks.{block}.attentions.{i}.transformer_blocks.0.attn2"
        for block in range(1, num_blocks)
        for i in range(attentions_per_block)
    )
