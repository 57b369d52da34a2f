"""At what scale a table is reproduced: which training, on what, scored on which images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cfld.config.presets import deepfashion_256, mannequin_base, mannequin_table, tiny, tiny_base
from cfld.config.schema import SamplingConfig, TrainConfig
from cfld.pipeline import BUNDLED


@dataclass(frozen=True, kw_only=True)
class DrawnTest:
    """Test images that are drawn first; arguments of `write_mannequin`, whose test split is a fifth of them."""

    identities: int
    poses: int
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Scale:
    """
    Attributes:
        ours: the training of the method's row; the others are made from it.
        base: the training of the UNet that the rows keep frozen; None = the model to start from has one.
        vae: a model folder whose VAE `base` takes; None = a random one.
        drawn: the test images; None = the test split of a data set.
        clip: B2's conditioner, a class name of `build.CONDITIONERS`.
        sampling: how images are generated, but for the guidance weights of table 5.
    """

    ours: Callable[[], TrainConfig]
    base: Callable[[], TrainConfig] | None = None
    vae: Path | None = None
    drawn: DrawnTest | None = None
    clip: str = "CLIPConditioner"
    sampling: SamplingConfig = field(default_factory=SamplingConfig)


SCALES: Final = {
    "mannequin": Scale(
        ours=mannequin_table,
        base=mannequin_base,
        vae=BUNDLED / "mannequin",
        drawn=DrawnTest(identities=60, poses=5),
        sampling=SamplingConfig(steps=25),
    ),
    "tiny": Scale(ours=tiny, base=tiny_base, drawn=DrawnTest(identities=5, poses=2), sampling=SamplingConfig(steps=2)),
    "deepfashion-256": Scale(ours=deepfashion_256, clip="FrozenCLIPConditioner"),
}
