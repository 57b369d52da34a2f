from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cfld.config.schema import TrainConfig, UNetPretrainStageConfig
from cfld.mannequin import VOCABULARY
from cfld.mannequin.dataset import write_mannequin
from cfld.training.stages.unet_pretrain import windows

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
    trained = {name: p for name, p in stage.objective.named_parameters() if p.requires_grad}
    assert [name for name, p in trained.items() if p.grad is None] == []
    assert {name.split(".")[0] for name in trained} == {"encoder", "conditioner", "unet"}
    assert [name for name in trained if "source_encoder" in name or "prompt_decoder" in name] == []


def test_dropped_attributes_cannot_matter(pretraining: TrainConfig, make_stage: MakeStage) -> None:
    losses = {}
    for rate in (0.0, 1.0):
        stage = make_stage(pretraining.with_stage(condition_dropout=rate))
        batch = torch.utils.data.default_collate([stage.samples[0, 0], stage.samples[0, 1]])
        batch, losses[rate] = stage.inputs(batch), []
        for attributes in (batch["attributes"], batch["attributes"].flip(1)):
            torch.manual_seed(1)
            losses[rate].append(stage.objective(**{**batch, "attributes": attributes}).item())
    assert losses[1.0][0] == losses[1.0][1]
    assert losses[0.0][0] != losses[0.0][1]


def test_gradient_checkpointing_reaches_the_unet(pretraining: TrainConfig, make_stage: MakeStage) -> None:
    unet = make_stage(replace(pretraining, gradient_checkpointing=True)).components.unet
    assert unet.is_gradient_checkpointing


def test_sample_images_and_export(pretraining: TrainConfig, make_stage: MakeStage, tmp_path: Path) -> None:
    stage = make_stage(replace(pretraining, image_count=2))
    assert stage.images().height > 2 * 64
    stage.export(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "attribute_encoder",
        "conditioner",
        "scheduler",
        "unet",
        "vae",
    ]


def test_windows_are_the_middle_columns_from_top_to_bottom() -> None:
    maps = torch.arange(64.0).reshape(1, 1, 8, 8).repeat(2, 1, 1, 1)
    upper, middle, lower = windows(maps).split(2)
    assert torch.equal(upper, maps[..., 0:4, 2:6])
    assert torch.equal(middle, maps[..., 2:6, 2:6])
    assert torch.equal(lower, maps[..., 4:8, 2:6])


def test_a_step_on_windows_trains_on_three_windows_of_each_image(
    pretraining: TrainConfig, make_stage: MakeStage
) -> None:
    stage = make_stage(pretraining.with_stage(window_share=1.0))
    sizes = []
    stage.components.unet.register_forward_pre_hook(lambda _, inputs: sizes.append(tuple(inputs[0].shape)))
    batch = torch.utils.data.default_collate([stage.samples[0, 0], stage.samples[0, 1]])
    assert stage.objective(**stage.inputs(batch)).isfinite()
    assert sizes == [(6, 4, 4, 4)]


@pytest.mark.parametrize(("queries", "tokens"), [(4, 4), (16, 16), (20, 16)])
def test_phrases_share_the_tokens_of_a_short_prompt(
    queries: int, tokens: int, config: TrainConfig, make_stage: MakeStage
) -> None:
    model = replace(config.model, conditioner=replace(config.model.conditioner, num_queries=queries))
    stage = make_stage(replace(config, stage=UNetPretrainStageConfig(), model=model))
    assert sorted(set(stage.encoder.tokens)) == list(range(tokens))
    assert stage.encoder(stage.samples[0, 0]["attributes"][None]).shape[1] == queries


def test_a_second_run_goes_on_with_the_encoder_of_the_first(
    pretraining: TrainConfig, make_stage: MakeStage, tmp_path: Path
) -> None:
    first = make_stage(pretraining)
    first.export(tmp_path / "model")
    second = make_stage(replace(pretraining, init_from=str(tmp_path / "model")))
    for (name, p), q in zip(first.encoder.named_parameters(), second.encoder.parameters(), strict=True):
        assert torch.equal(p, q), name


def test_a_data_set_without_attributes_is_an_error(
    pretraining: TrainConfig, make_stage: MakeStage, tmp_path: Path
) -> None:
    write_mannequin(tmp_path / "data", identities=2, poses=2, size=(64, 44))
    photographs = replace(pretraining.data, root=tmp_path / "data")
    with pytest.raises(ValueError, match="needs a data set with attributes"):
        make_stage(replace(pretraining, data=photographs))
