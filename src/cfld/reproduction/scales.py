"""The scales at which tables are reproduced: presets, test images and sampling settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cfld.config.presets import deepfashion_256, mannequin_base, mannequin_table, tiny, tiny_base
from cfld.config.schema import SamplingConfig, TrainConfig


@dataclass(frozen=True, kw_only=True)
class MannequinTestSet:
    """Arguments of `write_mannequin`; the test split contains a fifth of the identities."""

    identities: int
    poses: int
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class ReidScale:
    """The experiment on re-identification.

    Attributes:
        people: in the training images; every second one has two images, the others one.
        per_identity: generated images of each, in the augmented data set.
        test_people: other people, each with `test_images`, one a camera as query.
        steps: of each training, in batches of `batch_size` images.
        sampling_steps: of the generated images.
    """

    people: int = 30
    per_identity: int = 6
    test_people: int = 60
    test_images: int = 4
    steps: int = 200
    batch_size: int = 16
    sampling_steps: int = 10


@dataclass(frozen=True, kw_only=True)
class Scale:
    """
    Attributes:
        ours: training of the method's row, from which those of the other rows are derived.
        base: training of the UNet that the rows keep frozen; None = that of the model to start from.
        vae: bundled model whose VAE `base` uses; None = a random one.
        test_set: test images to generate; None = the test split of a data set.
        clip: conditioner of B2, a class name in `build.CONDITIONERS`.
        sampling: settings of generation, except the guidance weights of table 5.
        reid: of the experiment on re-identification; None = there is none.
    """

    ours: Callable[[], TrainConfig]
    base: Callable[[], TrainConfig] | None = None
    vae: str | None = None
    test_set: MannequinTestSet | None = None
    clip: str = "CLIPConditioner"
    sampling: SamplingConfig = field(default_factory=lambda: SamplingConfig(steps=50))
    reid: ReidScale | None = None


SCALES: Final = {
    "mannequin": Scale(
        ours=mannequin_table,
        base=mannequin_base,
        vae="mannequin",
        test_set=MannequinTestSet(identities=60, poses=5),
        sampling=SamplingConfig(steps=25),
        reid=ReidScale(),
    ),
    "tiny": Scale(
        ours=tiny,
        base=tiny_base,
        test_set=MannequinTestSet(identities=5, poses=2),
        sampling=SamplingConfig(steps=2),
        reid=ReidScale(people=3, per_identity=1, test_people=3, steps=2, batch_size=4, sampling_steps=2),
    ),
    "deepfashion-256": Scale(ours=deepfashion_256, clip="FrozenCLIPConditioner"),
}
