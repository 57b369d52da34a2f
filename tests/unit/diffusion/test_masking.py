"""Section 4.6: outside the mask, every step of every scheduler has the reference at that step's noise level."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cfld.build import build_scheduler
from cfld.config.schema import SchedulerConfig
from cfld.diffusion.masking import MaskedSampling, latent_mask, paste, soft_mask
from cfld.diffusion.sampling import sample
from cfld.diffusion.schedulers import SCHEDULERS, make_scheduler

SHAPE = (2, 4, 8, 8)
SCHEDULES = {
    "sd15": SchedulerConfig(),
    "zero-snr": SchedulerConfig(
        prediction_type="v_prediction", timestep_spacing="trailing", rescale_betas_zero_snr=True
    ),
}


@pytest.mark.parametrize(
    ("mode", "white"), [("I;16", 65535), ("I", 65535), ("I", 255), ("F", 1), ("F", 255), ("L", 255)]
)
def test_masks_of_every_depth(mode: str, white: float) -> None:
    dtype = {"I;16": np.uint16, "I": np.int32, "F": np.float32, "L": np.uint8}[mode]
    half = np.repeat([[0, white]], 4, axis=0).astype(dtype)
    image = Image.fromarray(half)
    assert image.mode == mode
    for mask in (image, half if mode != "I;16" else half.astype(int)):
        assert soft_mask(mask, (4, 2))[0, 0].tolist() == [[0, 1]] * 4


def test_a_mask_that_is_not_finite_raises() -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        soft_mask(np.array([[np.nan, 1.0]]), (1, 2))


def masked_sampling(name: str, schedule: str, steps: int) -> MaskedSampling:
    """Only the left half of the image is generated."""
    torch.manual_seed(0)
    scheduler = make_scheduler(name, build_scheduler(SCHEDULES[schedule]).config)
    scheduler.set_timesteps(steps)
    mask = (torch.arange(8) < 4).expand(1, 1, 8, 8)
    return MaskedSampling(scheduler, torch.randn(1, *SHAPE[1:]), torch.randn(SHAPE), mask)


def run(masked: MaskedSampling, start: Tensor | None = None) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """z_0, and the inputs of the denoiser: the scaled latents and t of each step."""
    scheduler, shown = masked.scheduler, []

    def denoise(z_t: Tensor, t: Tensor) -> Tensor:
        shown.append((z_t.clone(), t))
        return 0.1 * z_t

    z_T = (masked.start() if start is None else start) * scheduler.init_noise_sigma
    generator = torch.Generator().manual_seed(1)
    return sample(denoise, scheduler, scheduler.timesteps, z_T, generator, masked), shown


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", SCHEDULERS)
class TestEveryScheduler:
    def test_outside_the_mask_the_result_is_the_reference(self, name: str, schedule: str) -> None:
        masked = masked_sampling(name, schedule, 5)
        z_0, _ = run(masked)
        outside = ~masked.mask.expand(SHAPE)
        assert torch.equal(z_0[outside], masked.reference.expand(SHAPE)[outside])
        assert z_0.isfinite().all()
        assert not torch.allclose(z_0[~outside], masked.reference.expand(SHAPE)[~outside], atol=0.1)

    def test_the_denoiser_gets_the_reference_at_the_noise_level_of_each_step(self, name: str, schedule: str) -> None:
        """eq. 1: sqrt(a) z_0 + sqrt(1 - a) eps, with a of t."""
        masked = masked_sampling(name, schedule, 12)
        _, shown = run(masked)
        alpha_bars = np.asarray(masked.scheduler.alphas_cumprod, dtype=np.float64)
        assert len(shown) == len(masked.scheduler.timesteps)
        for z_t, t in shown:
            alpha_bar = float(np.interp(float(t), np.arange(len(alpha_bars)), alpha_bars))
            expected = alpha_bar**0.5 * masked.reference + (1 - alpha_bar) ** 0.5 * masked.noise
            atol = 1e-2 if "karras" in name else 2e-3  # Karras' noise levels lie between timesteps
            torch.testing.assert_close(z_t[..., 4:], expected[..., 4:], atol=atol, rtol=1e-2)

    def test_a_full_mask_is_plain_sampling(self, name: str, schedule: str) -> None:
        """Bit-identical to sampling without a mask."""
        masked = masked_sampling(name, schedule, 5)
        whole = MaskedSampling(masked.scheduler, masked.reference, masked.noise, torch.ones(1, 1, 8, 8).bool())
        edited, _ = run(whole)
        scheduler = masked.scheduler
        scheduler.set_timesteps(5)
        z_T, generator = masked.noise * scheduler.init_noise_sigma, torch.Generator().manual_seed(1)
        assert torch.equal(edited, sample(lambda z, _: 0.1 * z, scheduler, scheduler.timesteps, z_T, generator))


def test_steps_that_share_a_timestep_keep_their_own_noise_level() -> None:
    """Karras' last steps lie so close that several round to one t."""
    masked = masked_sampling("dpm++-karras", "sd15", 150)
    timesteps = masked.scheduler.timesteps
    assert len(timesteps.unique()) < len(timesteps)
    seen: list[float] = []

    def on_step(i: int, t: Tensor, z: Tensor) -> Tensor:
        z = masked(i, t, z)
        if i + 1 < len(timesteps):
            alpha, _ = masked.scheduler._sigma_to_alpha_sigma_t(masked.scheduler.sigmas[i + 1])
            expected = alpha * masked.reference + (1 - alpha**2).sqrt() * masked.noise
            seen.append(float((z - expected)[..., 4:].abs().max()))
        return z

    sample(lambda z, _: 0.1 * z, masked.scheduler, timesteps, masked.start(), None, on_step)
    assert max(seen) < 1e-5


class TestMask:
    inside = np.zeros((20, 30), dtype=bool)
    inside[5:15, 6:24] = True

    @pytest.mark.parametrize(
        "mask",
        [
            inside,
            inside.astype(np.uint8),
            inside.astype(np.uint8) * 255,
            inside.astype(np.float32) * 0.9,
            torch.from_numpy(inside),
            Image.fromarray(inside),
            Image.fromarray(inside.astype(np.uint8) * 200),
            Image.fromarray(inside.astype(np.uint8) * 255).convert("RGB"),
            Image.merge("LA", [Image.new("L", (30, 20), "white"), Image.fromarray(inside.astype(np.uint8) * 255)]),
        ],
        ids=["bool", "0-1", "0-255", "float", "tensor", "mode 1", "grey", "RGB", "white paint on nothing"],
    )
    def test_kinds(self, mask: Any) -> None:
        weights = soft_mask(mask, (20, 30))
        assert weights.dtype == torch.float32
        np.testing.assert_array_equal(weights[0, 0].numpy(), self.inside)

    def test_feather_is_a_ramp_inside_the_edge(self) -> None:
        weights = soft_mask(self.inside, (20, 30), feather=3)[0, 0].numpy()
        assert not weights[~self.inside].any()
        np.testing.assert_allclose(weights[10, 4:12], [0, 0, 0.25, 0.5, 0.75, 1, 1, 1])
        assert (weights <= 1).all()

    def test_a_full_mask_has_no_ramp(self) -> None:
        assert (soft_mask(np.ones((4, 5)), (4, 5), feather=2) == 1).all()

    @pytest.mark.parametrize(
        ("mask", "feather", "message"),
        [
            (np.ones((20, 31)), 0, "mask has 31 x 20 pixels, expected 30 x 20"),
            (Image.new("L", (20, 30), "white"), 0, "mask has 20 x 30 pixels"),
            (np.zeros((20, 30)), 0, "the mask is empty"),
            (Image.new("RGBA", (30, 20)), 0, "the mask is empty"),
            (np.ones((20, 30, 3)), 0, r"one channel \(H, W\), got shape \(20, 30, 3\)"),
            (np.ones((0, 30)), 0, "one channel"),
            (np.ones((20, 30)), -1, "feather"),
            (np.ones((20, 30)), float("nan"), "feather"),
            (np.ones((20, 30)), float("inf"), "feather"),
        ],
    )
    def test_invalid_masks_raise(self, mask: Any, feather: float, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            soft_mask(mask, (20, 30), feather)

    def test_a_thin_mask_reaches_the_latents(self) -> None:
        line = np.zeros((256, 176))
        line[100, 20:90] = 1
        cells = latent_mask(soft_mask(line, (256, 176)), (8, 8))
        assert cells.shape == (1, 1, 8, 8)
        assert cells.sum() == 5
        assert cells[0, 0, 3].any()

    def test_pasting_keeps_the_backdrop_where_weights_are_zero(self) -> None:
        generated, backdrop = torch.rand(2, 3, 20, 30), torch.rand(1, 3, 20, 30)
        weights = soft_mask(self.inside, (20, 30), feather=2)
        result = paste(generated, backdrop, weights)
        outside = torch.from_numpy(~self.inside).expand_as(result)
        assert torch.equal(result[outside], backdrop.expand_as(result)[outside])
        assert torch.equal(result[:, :, 10, 12], generated[:, :, 10, 12])
        assert paste(torch.rand(2, 3, 7, 9), torch.rand(1, 3, 7, 9), weights).shape == (2, 3, 7, 9)
