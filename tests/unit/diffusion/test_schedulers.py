"""Schedulers sample the distribution of data whose exact denoiser is known: a Gaussian.

For x_0 ~ N(m, s^2), E[x_0 | z_t] = m + s^2 a (z_t - a m) / (a^2 s^2 + b^2) with a^2 = alpha_bar_t, b^2 = 1 - a^2.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import diffusers
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, schedulers
from torch import Tensor

from cfld.build import build_scheduler
from cfld.config.schema import SchedulerConfig
from cfld.diffusion.guidance import Denoiser
from cfld.diffusion.sampling import sample
from cfld.diffusion.schedulers import CORRECT, FEWEST, SCHEDULERS, check_scheduler, make_scheduler, start

SCHEDULES = {
    "sd15": build_scheduler(SchedulerConfig()),
    "v": build_scheduler(SchedulerConfig(prediction_type="v_prediction")),
    "zero-snr": build_scheduler(
        SchedulerConfig(prediction_type="v_prediction", timestep_spacing="trailing", rescale_betas_zero_snr=True)
    ),
}
MEAN, STD = 1.5, 0.5


def exact_denoiser(schedule: DDPMScheduler) -> Denoiser:
    """Times between two training timesteps are interpolated."""
    alphas_cumprod = schedule.alphas_cumprod.double()

    def denoise(z_t: Tensor, t: Tensor) -> Tensor:
        early = min(int(t), len(alphas_cumprod) - 1)
        late, part = min(early + 1, len(alphas_cumprod) - 1), float(t) - early
        alpha_bar = torch.lerp(alphas_cumprod[early], alphas_cumprod[late], part)
        a, b = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        x_0 = MEAN + STD**2 * a / (a**2 * STD**2 + b**2) * (z_t - a * MEAN)
        eps = (z_t - a * x_0) / b
        return (eps if schedule.config.prediction_type == "epsilon" else a * eps - b * x_0).to(z_t.dtype)

    return denoise


def sampled(scheduler: Any, schedule: DDPMScheduler, steps: int) -> Tensor:
    own = start(scheduler, steps)
    noise = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    return sample(exact_denoiser(schedule), own, own.timesteps, noise * own.init_noise_sigma, generator)


def classes() -> Iterator[type]:
    """All scheduler classes of the installed diffusers that can be imported here."""
    for module in pkgutil.walk_packages(schedulers.__path__, "diffusers.schedulers."):
        try:
            content = vars(importlib.import_module(module.name))
        except ImportError:  # of a package that is not installed
            continue
        for value in content.values():
            if inspect.isclass(value) and value.__module__ == module.name and hasattr(value, "step"):
                yield value


ROWS = {name: (name, {}) for name in CORRECT} | SCHEDULERS
FEW_STEPS_ONLY = ("LCMScheduler", "TCDScheduler")  # of models distilled for them


def build(name: str, schedule: str) -> Any:
    kind, options = ROWS[name]
    if kind == "LMSDiscreteScheduler":
        pytest.importorskip("scipy")
    return getattr(diffusers, kind).from_config(SCHEDULES[schedule].config, **options)


class TestCorrectness:
    @pytest.mark.parametrize("schedule", SCHEDULES)
    @pytest.mark.parametrize("name", ROWS)
    def test_samples_have_the_distribution_of_the_data(self, name: str, schedule: str) -> None:
        scheduler, model = build(name, schedule), SCHEDULES[schedule]
        for steps, mean_error, most in ((1, 0.05, 0.6), (2, 0.15, 0.6), (5, 0.3, 0.8)):
            if 1 < steps < FEWEST.get(type(scheduler).__name__, 1):
                with pytest.raises(ValueError, match=r"overshoots in 2 steps; use \d or more"):
                    start(scheduler, steps)
                continue
            samples = sampled(scheduler, model, steps)
            assert samples.mean().item() == pytest.approx(MEAN, abs=mean_error)
            assert samples.std() < most
        samples = sampled(scheduler, model, 50)
        assert samples.mean().item() == pytest.approx(MEAN, abs=0.1)
        assert samples.std().item() == pytest.approx(STD, abs=0.2 if name in FEW_STEPS_ONLY else 0.1)

    @pytest.mark.parametrize(
        "schedule", [pytest.param(name, marks=[pytest.mark.slow] * (name != "sd15")) for name in SCHEDULES]
    )
    @pytest.mark.parametrize("name", ROWS)
    def test_of_a_thousand_steps(self, name: str, schedule: str) -> None:
        scheduler, model = build(name, schedule), SCHEDULES[schedule]
        if name in FEW_STEPS_ONLY:
            with pytest.raises(ValueError, match=f"1 to 50 with {name}, got 1000"):
                start(scheduler, 1000)
        else:
            samples = sampled(scheduler, model, 1000)
            assert samples.mean().item() == pytest.approx(MEAN, abs=0.07)
            assert samples.std().item() == pytest.approx(STD, abs=0.02)

    @pytest.mark.parametrize("name", ["dpm++", "ddpm", "ddim"])
    @pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
    def test_every_number_of_steps_is_right_or_refused(self, name: str, spacing: str) -> None:
        model = build_scheduler(SchedulerConfig(timestep_spacing=spacing))
        scheduler = make_scheduler(name, model.config)
        for steps in (1, 30, 334, 600):
            if name == "ddim" and steps > 30:
                with pytest.raises(ValueError, match=r"equal steps; use \d+ or \d+ steps"):
                    start(scheduler, steps)
            else:
                assert sampled(scheduler, model, steps).mean().item() == pytest.approx(MEAN, abs=0.2)

    def test_all_classes_are_listed_or_refused(self) -> None:
        """And none that is refused because of its kind would be right."""
        found = {kind.__name__: kind for kind in classes()}
        assert len(found) > 30
        assert not set(CORRECT).difference(found)
        model, right = SCHEDULES["sd15"], []
        for name, kind in found.items():
            if name in CORRECT:
                continue
            try:
                scheduler = kind.from_config(model.config)
            except (TypeError, ValueError, KeyError):  # needs another configuration
                continue
            with pytest.raises(ValueError, match=rf"^{name}( with flow matching)? does not sample .* correctly; use "):
                check_scheduler(scheduler)
            if is_right(scheduler, model):
                right.append(name)
        assert right == []


def is_right(scheduler: Any, model: DDPMScheduler) -> bool:
    try:
        scheduler.set_timesteps(50)
        noise = torch.randn(1, 4, 32, 32) * scheduler.init_noise_sigma
        samples = sample(exact_denoiser(model), scheduler, scheduler.timesteps, noise, torch.Generator())
    except (TypeError, ValueError, AttributeError, IndexError, KeyError):
        return False
    return abs(samples.mean() - MEAN) < 0.1 and abs(samples.std() - STD) < 0.1


class TestStart:
    def test_the_scheduler_is_not_changed(self) -> None:
        for kind in (DDIMScheduler, diffusers.HeunDiscreteScheduler):
            scheduler = kind.from_config(SCHEDULES["zero-snr"].config)
            before = copy.deepcopy(vars(scheduler))
            own = start(scheduler, 7)
            assert own is not scheduler
            assert repr(vars(scheduler)) == repr(before)

    def test_what_is_right_stays_as_it_is(self) -> None:
        for steps in (3, 5, 50, 200):
            expected = copy.deepcopy(SCHEDULES["sd15"])
            expected.set_timesteps(steps)
            own = start(SCHEDULES["sd15"], steps)
            assert own.timesteps.tolist() == expected.timesteps.tolist()
            assert own.config == expected.config

    @pytest.mark.parametrize("steps", [0, 1001, 10**9])
    def test_more_steps_than_the_model_was_trained_with_raise(self, steps: int) -> None:
        with pytest.raises(ValueError, match=f"1 to 1000 with DDPMScheduler, got {steps}"):
            start(SCHEDULES["sd15"], steps)

    def test_numbers_that_do_not_divide_the_schedule_name_others(self) -> None:
        ddim = make_scheduler("ddim", SCHEDULES["sd15"].config)
        with pytest.raises(ValueError, match="into 600 equal steps; use 500 or 1000 steps, or another scheduler"):
            start(ddim, 600)

    def test_flow_matching_raises(self) -> None:
        scheduler = diffusers.UniPCMultistepScheduler.from_config(SCHEDULES["sd15"].config, use_flow_sigmas=True)
        with pytest.raises(ValueError, match="UniPCMultistepScheduler with flow matching does not"):
            start(scheduler, 5)

    def test_other_peoples_classes_are_theirs(self) -> None:
        class OwnScheduler(DDIMScheduler):
            pass

        assert len(start(OwnScheduler.from_config(SCHEDULES["sd15"].config), 5).timesteps) == 5

    @pytest.mark.parametrize("name", ["heun", "pndm"])
    def test_classes_that_ignore_zero_terminal_snr_get_its_noise_schedule(self, name: str) -> None:
        model = SCHEDULES["zero-snr"]
        own = start(make_scheduler(name, model.config), 10)
        torch.testing.assert_close(own.alphas_cumprod.sqrt(), model.alphas_cumprod.sqrt(), atol=0.031, rtol=0)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_keep_the_noise_schedule(name: str) -> None:
    config = DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction"
    ).config
    scheduler = make_scheduler(name, config)
    assert scheduler.config.beta_end == 0.012
    assert scheduler.config.prediction_type == "v_prediction"
    torch.testing.assert_close(scheduler.alphas_cumprod, DDPMScheduler.from_config(config).alphas_cumprod)


def test_an_unknown_scheduler_raises_and_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown scheduler 'dpm'; choose one of ddpm, ddim"):
        make_scheduler("dpm", {})
