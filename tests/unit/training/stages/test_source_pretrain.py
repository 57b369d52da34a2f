from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cfld.config.schema import SourcePretrainStageConfig, TrainConfig, UNetPretrainStageConfig
from cfld.mannequin.dataset import MannequinDataset
from cfld.training.stages.source_pretrain import roles

MakeStage = Callable[[TrainConfig], Any]


@pytest.fixture
def pretraining(config: TrainConfig, make_stage: MakeStage, tmp_path: Path) -> TrainConfig:
    base = make_stage(replace(config, stage=UNetPretrainStageConfig()))
    base.export(tmp_path / "base")
    return replace(config, stage=SourcePretrainStageConfig(), init_from=str(tmp_path / "base"))


def test_only_the_source_encoder_the_prompt_decoder_and_the_reader_train(
    pretraining: TrainConfig, make_stage: MakeStage
) -> None:
    stage = make_stage(pretraining)
    batch = torch.utils.data.default_collate([stage.samples[0, 0], stage.samples[0, 1]])
    stage.objective(**stage.inputs(batch)).backward()
    trained = [name for name, p in stage.objective.named_parameters() if p.grad is not None]
    prefixes = ("conditioner.source_encoder.", "conditioner.prompt_decoder.", "reader.")
    assert {name for name in trained if not name.startswith(prefixes)} == set()
    assert {name for name, p in stage.objective.named_parameters() if p.requires_grad} == set(trained)


def test_training_brings_the_prompt_to_that_of_the_words(pretraining: TrainConfig, make_stage: MakeStage) -> None:
    torch.manual_seed(0)
    stage = make_stage(pretraining)
    batch = torch.utils.data.default_collate([stage.samples[0, index] for index in range(4)])
    optimizer = torch.optim.Adam([p for p in stage.objective.parameters() if p.requires_grad], lr=3e-3)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = stage.objective(**batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_roles_are_the_vocabulary_cut_where_the_role_changes() -> None:
    data = MannequinDataset(identities=2, poses=2)
    ranges = roles(data)
    assert len(ranges) == len(data.phrases)
    assert [n for first, last in ranges for n in range(first, last + 1)] == list(range(1, len(data.vocabulary)))
    for name in data.names:
        for word, (first, last) in zip(data.attributes(name), ranges, strict=True):
            assert not word or first <= data.vocabulary[word] <= last


def test_attributes_that_are_not_given_do_not_matter(pretraining: TrainConfig, make_stage: MakeStage) -> None:
    objective = make_stage(pretraining).objective
    logits = torch.randn(1, 4, len(MannequinDataset.vocabulary), requires_grad=True)
    attributes = torch.zeros(1, len(MannequinDataset.phrases), dtype=torch.int64)
    first, last = objective.roles[3]
    attributes[0, 3] = first
    objective.reading_loss(logits, attributes).backward()
    token = objective.encoder.tokens[3]
    outside = logits.grad.clone()
    outside[0, token, first : last + 1] = 0
    assert logits.grad.abs().sum() > 0
    assert outside.abs().sum() == 0


def test_a_model_without_an_encoder_of_attributes_is_an_error(config: TrainConfig, make_stage: MakeStage) -> None:
    with pytest.raises(ValueError, match="init_from"):
        make_stage(replace(config, stage=SourcePretrainStageConfig()))


def test_sample_images_and_export(pretraining: TrainConfig, make_stage: MakeStage, tmp_path: Path) -> None:
    stage = make_stage(replace(pretraining, image_count=1))
    assert stage.images().width > 2 * 44
    stage.export(tmp_path / "model")
    assert (tmp_path / "model" / "attribute_encoder" / "config.json").is_file()
