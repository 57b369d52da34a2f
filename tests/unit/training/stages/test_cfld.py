from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cfld.config.schema import TrainConfig, UNetPretrainStageConfig
from cfld.models.unet import freeze_except
from cfld.training.dream import DREAMObjective
from cfld.training.objective import CFLDObjective
from cfld.training.stages.cfld import share_of_sources

MakeStage = Callable[[TrainConfig], Any]


def test_cached_and_fresh_latents_have_one_distribution(config: TrainConfig, make_stage: MakeStage) -> None:
    """With one seed they differ by the rounding to float16 alone."""
    latents = []
    for cached in (True, False):
        stage = make_stage(config.with_stage(latent_cache=cached))
        batch = torch.utils.data.default_collate([stage.samples[0, 0], stage.samples[0, 3]])
        torch.manual_seed(0)
        latents.append(stage.inputs(batch)["latents"])
    assert latents[0].shape == (4, 4, 8, 8)
    torch.testing.assert_close(latents[0], latents[1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("share", "kept"), [(1.0, [0, 1, 2, 3]), (0.6, [0, 1]), (0.0, [0])])
def test_a_share_of_the_sources_and_all_targets_remain(share: float, kept: list[int]) -> None:
    rows = torch.arange(8)[:, None]
    assert share_of_sources(rows, share).flatten().tolist() == [*kept, 4, 5, 6, 7]


def test_the_share_holds_for_poses_and_latents_alike(config: TrainConfig, make_stage: MakeStage) -> None:
    stages = [make_stage(config.with_stage(reconstruction_share=share)) for share in (1.0, 0.5)]
    inputs = []
    for stage in stages:
        batch = torch.utils.data.default_collate([stage.samples[0, i] for i in (0, 3)])
        torch.manual_seed(0)
        inputs.append(stage.inputs(batch))
    whole, part = inputs
    assert torch.equal(part["source_image"], whole["source_image"])
    for name in ("poses", "latents"):
        assert torch.equal(part[name], whole[name][[0, 2, 3]])


@pytest.mark.parametrize("weights", ["kv", "qkv", "all"])
def test_trained_and_frozen_weights(config: TrainConfig, make_stage: MakeStage, weights: Any) -> None:
    stage = make_stage(config.with_stage(unet_weights=weights))
    trained = {name for name, p in stage.objective.named_parameters() if p.requires_grad}
    unet = {name.removeprefix("unet.") for name in trained if name.startswith("unet.")}
    assert unet == set(freeze_except(stage.components.unet, weights))
    assert {name for name in trained if name.startswith("conditioner.")} == {
        f"conditioner.{name}" for name, _ in stage.components.conditioner.named_parameters()
    }
    assert not any(name.startswith("vae.") for name in trained)
    everything = sum(
        1 for part in vars(stage.components).values() if hasattr(part, "parameters") for _ in part.parameters()
    )
    assert len(stage.frozen) + len(trained) == everything


def test_every_trained_weight_gets_a_gradient(config: TrainConfig, make_stage: MakeStage) -> None:
    """Several processes need that: no parameter may be left out of a backward pass, dropped or not."""
    for rate in (0.0, 1.0):
        stage = make_stage(config.with_stage(condition_dropout=rate))
        stage.objective(**stage.inputs(torch.utils.data.default_collate([stage.samples[0, 0]]))).backward()
        assert [name for name, p in stage.objective.named_parameters() if p.requires_grad and p.grad is None] == []


def test_gradient_checkpointing_changes_no_gradient(config: TrainConfig, make_stage: MakeStage) -> None:
    gradients = []
    for checkpointing in (False, True):
        stage = make_stage(replace(config, gradient_checkpointing=checkpointing))
        stage.objective.train()
        torch.manual_seed(0)
        stage.objective(**stage.inputs(torch.utils.data.default_collate([stage.samples[0, 0]]))).backward()
        gradients.append([p.grad for p in stage.objective.parameters() if p.requires_grad])
    assert stage.components.conditioner.source_encoder.gradient_checkpointing
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_dream_is_chosen_by_its_option(config: TrainConfig, make_stage: MakeStage) -> None:
    assert type(make_stage(config).objective) is CFLDObjective
    objective = make_stage(config.with_stage(dream_detail_preservation=0.5)).objective
    assert isinstance(objective, DREAMObjective)
    assert objective.detail_preservation == 0.5


def test_it_starts_from_a_pretrained_unet(config: TrainConfig, make_stage: MakeStage, tmp_path: Path) -> None:
    pretraining = make_stage(replace(config, stage=UNetPretrainStageConfig()))
    pretraining.export(tmp_path / "model")
    method = make_stage(replace(config.with_stage(unet_weights="kv"), init_from=str(tmp_path / "model")))
    saved, loaded = pretraining.components.unet.state_dict(), method.components.unet.state_dict()
    assert all(torch.equal(loaded[name], weight) for name, weight in saved.items())
