from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler

from cfld.diffusion.schedulers import SCHEDULERS, make_scheduler


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
