"""H_N: the denoising UNet, the stock diffusers class. What of it trains, and one call of it (eq. 2)."""

from __future__ import annotations

from typing import Final, Literal, get_args

from diffusers import UNet2DConditionModel
from torch import Tensor

from cfld.models.hybrid_granularity_attention import biased_attention_names, takes_bias
from cfld.types import Conditioning

TrainableWeights = Literal["kv", "qkv", "all"]
_PROJECTIONS: Final = {"kv": ("to_k", "to_v"), "qkv": ("to_q", "to_k", "to_v")}


def predict_noise(
    unet: UNet2DConditionModel, latents: Tensor, timestep: Tensor | int, conditioning: Conditioning
) -> Tensor:
    """eps_theta(z_t, t, x_s, x_tp), or v where the scheduler's prediction type says so.

    Args:
        unet: with the attention processors of `hybrid_granularity_attention.install` on it.
        latents: (B, 4, h, w), z_t.
        timestep: a number, or (B,).

    Returns:
        (B, 4, h, w).

    Raises:
        ValueError: if an attention would ignore its query bias without a word.
    """
    if unhooked := [name for name in conditioning.query_bias if not takes_bias(unet, name)]:
        raise ValueError(
            f"this UNet ignores the query bias of {unhooked[0]}; do the dimensions fit, and did you call "
            "cfld.models.hybrid_granularity_attention.install(unet)?"
        )
    return unet(
        latents,
        timestep,
        encoder_hidden_states=conditioning.prompt_embeds,
        cross_attention_kwargs={"query_bias": conditioning.query_bias, "kv_cache": conditioning.kv_cache},
        # a fresh list: the UNet takes its items off
        down_intrablock_additional_residuals=list(conditioning.pose_features) or None,
        return_dict=False,
    )[0]


def freeze_except(unet: UNet2DConditionModel, trainable: TrainableWeights = "kv") -> list[str]:
    """Freezes the UNet but for the chosen weights (paper section 3.2: W_k, W_v of the biased cross-attentions).

    Args:
        trainable: `kv` or `qkv` of the up blocks' cross-attentions, or `all` weights of the UNet.

    Returns:
        the names of the parameters that train.
    """
    if trainable not in get_args(TrainableWeights):
        raise ValueError(f"trainable UNet weights are one of {get_args(TrainableWeights)}, got {trainable!r}")
    names = biased_attention_names(len(unet.config.block_out_channels), unet.config.layers_per_block + 1)
    wanted = {f"{name}.{projection}.weight" for name in names for projection in _PROJECTIONS.get(trainable, ())}
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(trainable == "all" or name in wanted)
    return [name for name, parameter in unet.named_parameters() if parameter.requires_grad]
