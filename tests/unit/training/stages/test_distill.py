from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import default_collate

from cfld.config.schema import DistillStageConfig, TrainConfig, UNetPretrainStageConfig
from cfld.models.lora import fuse
from cfld.models.unet import predict_noise
from cfld.pipeline import CFLDPipeline
from cfld.training.objective import add_noise, estimated_image, velocity
from cfld.training.stages.distill import matching_loss

MakeStage = Callable[[TrainConfig], Any]


@pytest.fixture
def distillation(config: TrainConfig, make_stage: MakeStage, tmp_path: Path) -> TrainConfig:
    make_stage(replace(config, stage=UNetPretrainStageConfig())).export(tmp_path / "teacher")
    return replace(config, stage=DistillStageConfig(rank=4), init_from=str(tmp_path / "teacher"))


def batch_of(stage: Any, *indices: int) -> dict[str, torch.Tensor]:
    return stage.inputs(default_collate([stage.samples[0, i] for i in indices]))


def test_only_the_updates_of_student_and_critic_train(distillation: TrainConfig, make_stage: MakeStage) -> None:
    torch.manual_seed(0)
    stage = make_stage(distillation)
    before = {name: p.clone() for name, p in stage.frozen.items()}
    stage.objective(**batch_of(stage, 0, 1)).backward()
    trained = {name for name, p in stage.objective.named_parameters() if p.grad is not None}
    assert {name.split(".")[0] for name in trained} == {"student", "critic"}
    assert trained == {name for name, p in stage.objective.named_parameters() if p.requires_grad}
    assert {name.split(".")[0] for name in before} == {"conditioner", "unet"}
    assert all(torch.equal(p, before[name]) for name, p in stage.frozen.items())


def test_the_losses_of_student_and_critic_have_gradients_of_their_own(
    distillation: TrainConfig, make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(distillation)
    batch = batch_of(stage, 0, 1)
    monkeypatch.setattr("cfld.training.stages.distill.matching_loss", lambda z_0, *_: 0 * z_0.sum())
    torch.manual_seed(0)
    stage.objective(**batch).backward()
    gradients = {name: p.grad for name, p in stage.objective.named_parameters() if p.grad is not None}
    assert not any(gradient.any() for name, gradient in gradients.items() if name.startswith("student."))
    assert any(gradient.any() for name, gradient in gradients.items() if name.startswith("critic."))


def test_matching_is_at_rest_where_teacher_and_critic_agree_and_else_goes_to_the_teacher() -> None:
    generator = torch.Generator().manual_seed(0)
    z, real = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(2))
    z_0 = z.clone().requires_grad_()
    matching_loss(z_0, real, real.clone()).backward()
    assert not z_0.grad.any()
    z_0 = z.clone().requires_grad_()
    matching_loss(z_0, real, fake := real - 0.5).backward()
    assert (z_0.grad < 0).all()  # a step against the gradient goes from the critic's image to the teacher's
    expected = (fake - real) / (z - real).abs().mean((1, 2, 3), keepdim=True) / z.numel()
    assert torch.allclose(z_0.grad, expected)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_the_estimated_image_is_the_true_one_for_a_true_prediction(prediction_type: str) -> None:
    torch.manual_seed(0)
    z_0, eps, alpha_bar = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.tensor([0.9, 0.5, 0.1])
    prediction = eps if prediction_type == "epsilon" else velocity(z_0, eps, alpha_bar)
    found = estimated_image(prediction_type, prediction, add_noise(z_0, eps, alpha_bar), alpha_bar)
    assert torch.allclose(found, z_0, atol=1e-5)


def test_the_student_starts_as_the_teacher(distillation: TrainConfig, make_stage: MakeStage) -> None:
    objective = make_stage(distillation).objective
    torch.manual_seed(0)
    full = objective.conditioner(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 21, *objective.conditioner.pose_size))
    z, t = torch.randn(1, 4, 8, 8), torch.tensor([700])
    student = objective.predict(objective.student.merged(objective.unet), z, t, full)
    assert torch.allclose(student, predict_noise(objective.unet, z, t, full), atol=1e-6)


def test_the_pipeline_samples_as_the_objective_does(
    distillation: TrainConfig, make_stage: MakeStage, person: Any, poses: Any
) -> None:
    """Two steps of the exported student by LCM are two steps of backward simulation with the same noise."""
    stage = make_stage(replace(distillation, stage=DistillStageConfig(rank=4, steps=(2,))))
    objective = stage.objective
    with torch.no_grad():
        for up in objective.student.up.values():
            up.normal_(0, 0.05)
    pipe = stage.student()
    pipe.set_progress_bar_config(disable=True)
    full = pipe.encode_source(person).with_pose(pipe.encode_pose(poses[0]).pose_features)
    found = pipe(person, poses[0], generator=torch.Generator().manual_seed(3), output_type="latent").images
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(1, 4, 8, 8, generator=generator)
    first, second = objective.timesteps[0]
    weights = objective.student.merged(objective.unet)
    with torch.no_grad():
        z_0 = objective.image(weights, z, first, full)
        noise = torch.randn(1, 4, 8, 8, generator=generator)
        z = add_noise(z_0, noise, objective.alphas_cumprod[second].reshape(1))
        expected = objective.image(weights, z, second, full)
    assert torch.allclose(found, expected, atol=2e-3 * float(expected.abs().max()))


def test_generation_uses_the_numbers_of_steps_asked_for(distillation: TrainConfig, make_stage: MakeStage) -> None:
    stage = make_stage(replace(distillation, stage=DistillStageConfig(rank=4, steps=(1, 4))))
    assert [len(timesteps) for timesteps in stage.objective.timesteps] == [1, 4]
    assert all(timesteps[0] == 999 for timesteps in stage.objective.timesteps)


def test_the_export_is_a_model_and_a_lora_of_the_teacher(
    distillation: TrainConfig, make_stage: MakeStage, person: Any, poses: Any, tmp_path: Path
) -> None:
    stage = make_stage(distillation)
    with torch.no_grad():
        for up in stage.objective.student.up.values():
            up.normal_(0, 0.05)
    stage.export(tmp_path / "student")
    images = []
    teacher = CFLDPipeline(**vars(stage.components), output_size=distillation.model.output_size)
    for pipe in (
        CFLDPipeline.from_pretrained(tmp_path / "student"),
        teacher.load_student(tmp_path / "student" / "lora"),
    ):
        assert (pipe.student.steps, pipe.recipe.steps) == (2, 2)
        pipe.set_progress_bar_config(disable=True)
        images.append(pipe(person, poses[0], generator=torch.Generator().manual_seed(0), output_type="pt").images)
    assert torch.allclose(*images, atol=1e-2)  # the LoRA is in half precision


def test_training_without_a_teacher_is_an_error(config: TrainConfig, make_stage: MakeStage) -> None:
    with pytest.raises(ValueError, match="init_from"):
        make_stage(replace(config, stage=DistillStageConfig()))


def test_no_number_of_steps_is_an_error(distillation: TrainConfig) -> None:
    with pytest.raises(ValueError, match="steps is empty"):
        replace(distillation, stage=DistillStageConfig(steps=())).check()


def test_activations_cannot_be_recomputed(distillation: TrainConfig, make_stage: MakeStage) -> None:
    with pytest.raises(ValueError, match="gradient_checkpointing"):
        make_stage(replace(distillation, gradient_checkpointing=True))


def test_components_compute_as_in_sampling_while_the_objective_trains(
    distillation: TrainConfig, make_stage: MakeStage
) -> None:
    stage = make_stage(distillation)
    stage.objective.train()
    assert not any(
        module.training for module in (*stage.components.conditioner.modules(), *stage.components.unet.modules())
    )


def test_distillation_brings_the_critic_to_the_student(distillation: TrainConfig, make_stage: MakeStage) -> None:
    torch.manual_seed(0)
    stage = make_stage(distillation)
    batch = batch_of(stage, 0, 1)
    with torch.no_grad():
        for up in stage.objective.student.up.values():
            up.normal_(0, 0.3)
    optimizer = torch.optim.Adam(stage.objective.critic.parameters(), lr=3e-3)
    losses = []
    for step in range(40):
        optimizer.zero_grad()
        torch.manual_seed(step % 4)
        loss = stage.objective(**batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])


def test_fused_weights_are_those_that_trained(distillation: TrainConfig, make_stage: MakeStage) -> None:
    stage = make_stage(distillation)
    unet = stage.student().unet
    assert unet is not stage.components.unet
    fuse(stage.components.unet, stage.objective.student.lora_state(unet))
    assert all(torch.equal(a, b) for a, b in zip(unet.parameters(), stage.components.unet.parameters(), strict=True))
