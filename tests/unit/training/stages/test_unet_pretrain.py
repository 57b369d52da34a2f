from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cfld.config.schema import TrainConfig, UNetPretrainStageConfig
from cfld.mannequin import VOCABULARY
from cfld.mannequin.dataset import write_mannequin

MakeStage = Callable[[TrainConfig], Any]


@pytest.fixture
def pretraining(config: TrainConfig) -> TrainConfig:
    return replace(config, stage=UNetPretrainStageConfig())


def test_the_unet_is_trained_on_the_attributes_of_its_image(pretraining: TrainConfig, make_stage: MakeStage) -> None:
    stage = make_stage(pretraining)
    sample = stage.samples[0, 1]
    attributes = [list(VOCABULARY)[number] for number in sample["attributes"]]
    assert attributes == list(stage.data.attributes(stage.data.names[1]))
    batch = stage.inputs(torch.utils.data.default_collate([sample, stage.samples[0, 0]]))
    assert batch["latents"].shape == (2, 4, 8, 8)
    stage.objective(**batch).backward()
    assert [name for name, p in stage.objective.named_parameters() if p.grad is None] == []


def test_dropped_attributes_cannot_matter(pretraining: TrainConfig, make_stage: MakeStage) -> None:
    losses = {}
    for rate in (0.0, 1.0):
        stage = make_stage(pretraining.with_stage(condition_dropout=rate))
        latents, losses[rate] = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)), []
        for attributes in (torch.tensor([[1, 2], [3, 4]]), torch.tensor([[5, 6], [7, 8]])):
            torch.manual_seed(1)
            losses[rate].append(stage.objective(attributes, latents).item())
    assert losses[1.0][0] == losses[1.0][1]
    assert losses[0.0][0] != losses[0.0][1]


def test_gradient_checkpointing_reaches_the_unet(pretraining: TrainConfig, make_stage: MakeStage) -> None:
    unet = make_stage(replace(pretraining, gradient_checkpointing=True)).components.unet
    assert unet.is_gradient_checkpointing


def test_sample_images_and_export(pretraining: TrainConfig, make_stage: MakeStage, tmp_path: Path) -> None:
    stage = make_stage(replace(pretraining, image_count=2))
    assert stage.images().height > 2 * 64
    stage.export(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["scheduler", "unet", "vae"]


def test_a_data_set_without_attributes_is_an_error(
    pretraining: TrainConfig, make_stage: MakeStage, tmp_path: Path
) -> None:
    write_mannequin(tmp_path / "data", identities=2, poses=2, size=(64, 44))
    photographs = replace(pretraining.data, root=tmp_path / "data")
    with pytest.raises(ValueError, match="needs a data set with attributes"):
        make_stage(replace(pretraining, data=photographs))
