"""Tables 3 and 5 of the paper: what each row changes, and the figures printed there (DeepFashion, 256x176)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from cfld.config.schema import SamplingConfig, TrainConfig


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """A row of table 3.

    Attributes:
        conditioner: a class name of `build.CONDITIONERS`.
        unet_weights: what of the UNet trains.
        biasing, trainable, prompt: the table's columns, as printed.
        lpips, ssim: the paper's figures.
    """

    conditioner: str
    unet_weights: Literal["kv", "qkv"] = "kv"
    biasing: str = ""
    trainable: str = "K, V"
    prompt: str
    lpips: float
    ssim: float

    def apply(self, config: TrainConfig) -> TrainConfig:
        """The same training with this row's conditioner and trainable weights."""
        model = replace(config.model, conditioner_class=self.conditioner)
        return replace(config.with_stage(unet_weights=self.unet_weights), model=model)


TABLE_3: Final = {
    "B1": Ablation(conditioner="MultiScaleConditioner", prompt="M-S", lpips=0.2018, ssim=0.6959),
    "B2": Ablation(conditioner="CLIPConditioner", prompt="CLIP", lpips=0.2099, ssim=0.6944),
    "B3": Ablation(conditioner="PromptConditioner", prompt="PRD", lpips=0.1615, ssim=0.7293),
    "B4": Ablation(
        conditioner="PromptConditioner",
        unet_weights="qkv",
        trainable="Q, K, V",
        prompt="PRD",
        lpips=0.1742,
        ssim=0.7198,
    ),
    "B5": Ablation(conditioner="SwinPromptConditioner", biasing="Q", prompt="Swin", lpips=0.1912, ssim=0.7038),
    "Ours": Ablation(conditioner="Conditioner", biasing="Q", prompt="PRD", lpips=0.1519, ssim=0.7378),
}


@dataclass(frozen=True, kw_only=True)
class GuidanceSetting:
    """A row of table 5: weights of eq. 7, and the paper's figures."""

    pose_guidance_scale: float
    appearance_guidance_scale: float
    fid: float
    lpips: float
    ssim: float
    psnr: float

    def apply(self, sampling: SamplingConfig) -> SamplingConfig:
        """The same sampling with this row's weights."""
        return replace(
            sampling,
            pose_guidance_scale=self.pose_guidance_scale,
            appearance_guidance_scale=self.appearance_guidance_scale,
        )


def _setting(pose: float, appearance: float, fid: float, lpips: float, ssim: float, psnr: float) -> GuidanceSetting:
    return GuidanceSetting(
        pose_guidance_scale=pose, appearance_guidance_scale=appearance, fid=fid, lpips=lpips, ssim=ssim, psnr=psnr
    )


TABLE_5: Final = {
    "disabled": _setting(1.0, 1.0, 8.143, 0.2000, 0.7055, 15.753),
    "appearance only": _setting(1.0, 2.0, 8.334, 0.1921, 0.7131, 16.429),
    "pose only": _setting(2.0, 1.0, 7.580, 0.1770, 0.7256, 17.611),
    "both, 2": _setting(2.0, 2.0, 6.804, 0.1519, 0.7378, 18.235),
    "both, 3": _setting(3.0, 3.0, 7.423, 0.1746, 0.7250, 17.706),
}
