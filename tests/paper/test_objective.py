"""eq. 1, 3, 5 and 6 on the real classes at tiny size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cfld.build import build_components
from cfld.config.presets import tiny_model
from cfld.diffusion.timesteps import TIMESTEP_LAWS, sample_timesteps
from cfld.models.conditioner import DropoutMasks
from cfld.models.unet import predict_noise
from cfld.training.objective import (
    CFLDObjective,
    add_noise,
    mse_loss,
    overall_loss,
    reconstruction_loss,
    velocity,
)

B = 4


@pytest.fixture
def components() -> Any:
    torch.manual_seed(0)
    components = build_components(tiny_model())
    for encoder in components.conditioner.appearance_encoders:  # so that the biases are not zero
        torch.nn.init.normal_(encoder.zero_conv_in.weight)
        torch.nn.init.normal_(encoder.zero_conv_out.weight)
    return components


@pytest.fixture
def batch() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {
        "source_image": torch.rand(B, 3, 32, 32) * 2 - 1,
        "poses": torch.rand(2 * B, 21, 32, 32),
        "latents": torch.randn(2 * B, 4, 8, 8),
    }


def objective(components: Any, **options: Any) -> CFLDObjective:
    made = CFLDObjective(components.conditioner, components.unet, components.scheduler.alphas_cumprod, **options)
    return made.eval()


def test_eq_1_adds_noise_as_the_scheduler_does(components: Any) -> None:
    z_0, eps, t = torch.randn(4, 4, 8, 8), torch.randn(4, 4, 8, 8), torch.tensor([0, 1, 500, 999])
    z_t = add_noise(z_0, eps, components.scheduler.alphas_cumprod[t])
    torch.testing.assert_close(z_t, components.scheduler.add_noise(z_0, eps, t))


def test_v_is_the_scheduler_s(components: Any) -> None:
    z_0, eps, t = torch.randn(4, 4, 8, 8), torch.randn(4, 4, 8, 8), torch.tensor([0, 1, 500, 999])
    v = velocity(z_0, eps, components.scheduler.alphas_cumprod[t])
    torch.testing.assert_close(v, components.scheduler.get_velocity(z_0, eps, t))


@pytest.mark.parametrize("loss", [mse_loss, reconstruction_loss])
def test_eq_3_and_eq_5_are_mean_squared_errors(loss: Any) -> None:
    eps, eps_theta = torch.randn(2, B, 4, 8, 8)
    torch.testing.assert_close(loss(eps, eps_theta), torch.nn.functional.mse_loss(eps_theta, eps))


def test_eq_6_is_half_the_sum_as_in_the_released_code() -> None:
    """The released code takes one mean over the rows of both tasks."""
    sources, targets = torch.randn(2, B, 4, 8, 8), torch.randn(2, B, 4, 8, 8)
    target, prediction = torch.cat([sources, targets], dim=1)
    overall = overall_loss(mse_loss(*targets), reconstruction_loss(*sources))
    torch.testing.assert_close(overall, (prediction - target).square().mean())


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("reconstructed", [B, 2, 1])
def test_the_objective_is_the_two_tasks_one_by_one(
    components: Any, batch: dict[str, Tensor], prediction_type: str, reconstructed: int
) -> None:
    """One forward equals a forward for eq. 5, of the first sources, and one for eq. 3; the source conditions."""
    rows = {name: torch.cat([batch[name][:reconstructed], batch[name][B:]]) for name in ("poses", "latents")}
    torch.manual_seed(5)
    loss = objective(components, prediction_type=prediction_type, condition_dropout=0.0)(**{**batch, **rows})
    torch.manual_seed(5)
    rows = reconstructed + B
    all_eps = torch.randn(rows, *batch["latents"].shape[1:])
    all_t = ((1 - torch.rand(rows) ** 3) * 1000).long().clamp(0, 999)
    losses = []
    for sources, task, drawn in (
        (slice(reconstructed), slice(reconstructed), slice(reconstructed)),
        (slice(B), slice(B, 2 * B), slice(reconstructed, None)),
    ):
        z_0, eps, t = batch["latents"][task], all_eps[drawn], all_t[drawn]
        target = eps if prediction_type == "epsilon" else components.scheduler.get_velocity(z_0, eps, t)
        conditioning = components.conditioner(batch["source_image"][sources], batch["poses"][task])
        prediction = predict_noise(components.unet, components.scheduler.add_noise(z_0, eps, t), t, conditioning)
        losses.append((target - prediction).square().mean())
    torch.testing.assert_close(loss, torch.stack(losses).mean())


@pytest.mark.parametrize("mode", ["joint", "prompt", "independent"])
def test_with_everything_dropped_the_condition_is_the_empty_set(
    components: Any, batch: dict[str, Tensor], mode: Any
) -> None:
    """Rate 1: `joint` and `independent` give eps(z_t, t, null, null); `prompt` keeps biases and pose."""
    torch.manual_seed(5)
    loss = objective(components, condition_dropout=1.0, dropout_mode=mode)(**batch)
    torch.manual_seed(5)
    eps = torch.randn_like(batch["latents"])
    t = ((1 - torch.rand(2 * B) ** 3) * 1000).long().clamp(0, 999)
    condition = components.conditioner.null(2 * B)
    if mode == "prompt":
        full = components.conditioner(batch["source_image"].repeat(2, 1, 1, 1), batch["poses"])
        everyone, nobody = torch.ones(2 * B, dtype=torch.bool), torch.zeros(2 * B, dtype=torch.bool)
        condition = components.conditioner.drop(full, DropoutMasks(prompt=everyone, bias=nobody, pose=nobody))
    prediction = predict_noise(components.unet, components.scheduler.add_noise(batch["latents"], eps, t), t, condition)
    torch.testing.assert_close(loss, (prediction - eps).square().mean())


@pytest.mark.parametrize("law", TIMESTEP_LAWS)
def test_timesteps_follow_the_configured_law(components: Any, batch: dict[str, Tensor], law: str) -> None:
    seen = []
    components.unet.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[1]))
    torch.manual_seed(5)
    objective(components, timestep_law=law)(**batch)
    torch.manual_seed(5)
    torch.randn_like(batch["latents"])
    assert torch.equal(seen[0], sample_timesteps(2 * B, 1000, law))


def test_an_unknown_law_is_an_error(components: Any, batch: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match="unknown timestep law 'linear'; choose one of cubic, uniform"):
        objective(components, timestep_law="linear")(**batch)


def test_an_unknown_prediction_type_is_an_error(components: Any) -> None:
    with pytest.raises(ValueError, match="sample"):
        objective(components, prediction_type="sample")
