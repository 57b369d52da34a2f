"""The rows of the paper's tables 3 and 5, with the figures printed there (DeepFashion, 256x176)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from cfld.config.schema import SamplingConfig, TrainConfig
from cfld.registry import Registry

if TYPE_CHECKING:
    from cfld.reproduction.results import Report
    from cfld.reproduction.scales import Scale
    from cfld.reproduction.tables import Options

TABLES: Final[Registry[Callable[[Scale, Path, Options], Report]]] = Registry(
    "table",
    {
        "table3": "cfld.reproduction.tables:reproduce_table3",
        "table5": "cfld.reproduction.tables:reproduce_table5",
        "reid": "cfld.reproduction.reid:reproduce_reid",
    },
)
"""Name -> (scale, output folder, options) -> the reproduced table."""


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """
    Attributes:
        columns: what the row varies, by the table's headings.
        paper: the paper's figures, by name of the metric.
    """

    columns: Mapping[str, str]
    paper: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Ablation(PaperRow):
    """A row of table 3.

    Attributes:
        conditioner: a class name in `build.CONDITIONERS`.
        unet_weights: the weights of the UNet that are trained.
    """

    conditioner: str
    unet_weights: Literal["kv", "qkv"]

    def apply(self, config: TrainConfig) -> TrainConfig:
        """Returns the same training with this row's conditioner and trainable weights."""
        model = replace(config.model, conditioner_class=self.conditioner)
        return replace(config.with_stage(unet_weights=self.unet_weights), model=model)


@dataclass(frozen=True, kw_only=True)
class GuidanceSetting(PaperRow):
    """A row of table 5: the weights of eq. 7."""

    pose_guidance_scale: float
    appearance_guidance_scale: float

    def apply(self, sampling: SamplingConfig) -> SamplingConfig:
        """Returns the same sampling with this row's weights."""
        return replace(
            sampling,
            pose_guidance_scale=self.pose_guidance_scale,
            appearance_guidance_scale=self.appearance_guidance_scale,
        )


def _ablation(
    conditioner: str, biasing: str, weights: Literal["kv", "qkv"], prompt: str, lpips: float, ssim: float
) -> Ablation:
    return Ablation(
        conditioner=conditioner,
        unet_weights=weights,
        columns={"biasing": biasing, "trainable": ", ".join(weights.upper()), "prompt": prompt},
        paper={"lpips": lpips, "ssim": ssim},
    )


def _setting(w_pose: float, w_app: float, fid: float, lpips: float, ssim: float, psnr: float) -> GuidanceSetting:
    return GuidanceSetting(
        pose_guidance_scale=w_pose,
        appearance_guidance_scale=w_app,
        columns={"w_pose": f"{w_pose}", "w_app": f"{w_app}"},
        paper={"fid": fid, "lpips": lpips, "ssim": ssim, "psnr": psnr},
    )


TABLE_3: Final = {
    "B1": _ablation("MultiScaleConditioner", "", "kv", "M-S", 0.2018, 0.6959),
    "B2": _ablation("CLIPConditioner", "", "kv", "CLIP", 0.2099, 0.6944),
    "B3": _ablation("PromptConditioner", "", "kv", "PRD", 0.1615, 0.7293),
    "B4": _ablation("PromptConditioner", "", "qkv", "PRD", 0.1742, 0.7198),
    "B5": _ablation("SwinPromptConditioner", "Q", "kv", "Swin", 0.1912, 0.7038),
    "Ours": _ablation("Conditioner", "Q", "kv", "PRD", 0.1519, 0.7378),
}

TABLE_5: Final = {
    "disabled": _setting(1.0, 1.0, 8.143, 0.2000, 0.7055, 15.753),
    "appearance only": _setting(1.0, 2.0, 8.334, 0.1921, 0.7131, 16.429),
    "pose only": _setting(2.0, 1.0, 7.580, 0.1770, 0.7256, 17.611),
    "both, 2": _setting(2.0, 2.0, 6.804, 0.1519, 0.7378, 18.235),
    "both, 3": _setting(3.0, 3.0, 7.423, 0.1746, 0.7250, 17.706),
}
