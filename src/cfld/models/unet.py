"""H_N: the denoising UNet, the stock diffusers class; one call of it, and which of its weights train."""

from __future__ import annotations

from typing import Final, get_args

from diffusers import UNet2DConditionModel
from torch import Tensor

from cfld.models.choices import TrainableWeights
from cfld.models.hybrid_granularity_attention import biased_attention_names, takes_bias
from cfld.types import Conditioning

_PROJECTIONS: Final = {"kv": ("to_k", "to_v"), "qkv": ("to_q", "to_k", "to_v")}


def predict_noise(
    unet: UNet2DConditionModel, latents: Tensor, timestep: Tensor | int, conditioning: Conditioning
) -> Tensor:
    """Predicts the noise, or v where the scheduler's prediction type says so.

    Args:
        unet: with the attention processors of `hybrid_granularity_attention.install`.
        latents: (B, 4, h, w), z_t.
        timestep: t, a number or (B,).

    Returns:
        (B, 4, h, w).

    Raises:
        ValueError: if an attention would silently ignore its query bias.
    """
    if unhooked := [name for name in conditioning.query_bias if not takes_bias(unet, name)]:
        raise ValueError(
            f"this UNet ignores the query bias of {unhooked[0]}; check that the dimensions match, and call "
            "cfld.models.hybrid_granularity_attention.install(unet)"
        )
    # eq. 2, with the conditions of eq. 3: eps_theta(z_t, t, x_s, x_tp)
    return unet(
        latents,
        timestep,
        encoder_hidden_states=conditioning.prompt_embeds,
        cross_attention_kwargs={"query_bias": conditioning.query_bias, "kv_cache": conditioning.kv_cache},
        # a fresh list: the UNet pops its items
        down_intrablock_additional_residuals=list(conditioning.pose_features) or None,
        return_dict=False,
    )[0]


def freeze_except(unet: UNet2DConditionModel, trainable: TrainableWeights = "kv") -> list[str]:
    """Freezes the UNet except for the chosen weights (paper section 3.2: W_k, W_v of the biased cross-attentions).

    Args:
        trainable: `kv` or `qkv` of the up blocks' cross-attentions, or `all` weights of the UNet.

    Returns:
        the names of the trainable parameters.
    """
    if trainable not in get_args(TrainableWeights):
        raise ValueError(f"trainable UNet weights are one of {get_args(TrainableWeights)}, got {trainable!r}")
    attentions = biased_attention_names(len(unet.config.block_out_channels), unet.config.layers_per_block + 1)
    chosen = {f"{name}.{projection}.weight" for name in attentions for projection in _PROJECTIONS.get(trainable, ())}
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(trainable == "all" or name in chosen)
    return [name for name, parameter in unet.named_parameters() if parameter.requires_grad]
