from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cfld.diffusion.guidance import guided_denoiser
from cfld.types import Conditioning

SCALES = [(1, 1), (2, 2), (1, 3), (3, 1), (0, 2), (2, 0), (0, 0), (1, 0), (0, 1), (2.5, -0.5)]
SHAPE = (2, 4, 8, 8)


def conditions() -> tuple[Conditioning, Conditioning]:
    torch.manual_seed(0)
    full = Conditioning(torch.randn(2, 3, 4), {"attn": torch.randn(2, 5, 6)}, (torch.randn(2, 1, 8, 8),))
    return full, Conditioning(torch.randn(2, 3, 4))


@pytest.mark.parametrize(("w_pose", "w_app"), SCALES)
def test_weights_of_the_branches_sum_to_one(w_pose: float, w_app: float) -> None:
    denoise = guided_denoiser(lambda z_t, t, c: torch.ones_like(z_t), *conditions(), w_pose, w_app)  # noqa: ARG005
    torch.testing.assert_close(denoise(torch.randn(SHAPE), torch.tensor(0.5)), torch.ones(SHAPE))


@pytest.mark.parametrize(("w_pose", "w_app"), SCALES)
def test_branches_of_weight_zero_are_not_computed(w_pose: float, w_app: float) -> None:
    batch_sizes: list[int] = []

    def predict_noise(z_t: Tensor, t: Tensor, c: Conditioning) -> Tensor:
        assert c.batch_size == len(z_t)
        batch_sizes.append(len(z_t))
        return z_t * t

    denoise = guided_denoiser(predict_noise, *conditions(), w_pose, w_app)
    for _ in range(2):
        denoise(torch.randn(SHAPE), torch.tensor(0.5))
    assert batch_sizes == [2 * ((w_pose != 1) + (w_pose != w_app) + (w_app != 0))] * 2


def test_outside_the_interval_the_full_branch_is_computed_alone() -> None:
    full, null = conditions()
    batch_sizes: list[int] = []

    def predict_noise(z_t: Tensor, t: Tensor, c: Conditioning) -> Tensor:  # noqa: ARG001
        batch_sizes.append(len(z_t))
        return c.prompt_embeds.sum((1, 2)).view(-1, 1, 1, 1) * z_t

    denoise = guided_denoiser(predict_noise, full, null, 2, 2, (100, 500))
    guided = guided_denoiser(predict_noise, full, null, 2, 2)
    alone = guided_denoiser(predict_noise, full, null, 1, 1)
    z_t = torch.randn(SHAPE)
    for t, expected in ((99, alone), (100, guided), (500, guided), (501, alone)):
        assert torch.equal(denoise(z_t, torch.tensor(t)), expected(z_t, torch.tensor(t)))
    assert batch_sizes[::2] == [2, 4, 4, 2]
    assert not torch.equal(guided(z_t, torch.tensor(1)), alone(z_t, torch.tensor(1)))


def test_one_cache_serves_all_steps() -> None:
    caches: list[dict[str, tuple[Tensor, Tensor]] | None] = []

    def predict_noise(z_t: Tensor, t: Tensor, c: Conditioning) -> Tensor:
        caches.append(c.kv_cache)
        return z_t * t

    for _ in range(2):  # two sampling runs of two steps
        denoise = guided_denoiser(predict_noise, *conditions(), w_pose=2, w_app=2)
        for _ in range(2):
            denoise(torch.randn(SHAPE), torch.tensor(0.5))
    assert caches[0] is not None
    assert caches[0] is caches[1]
    assert caches[2] is caches[3]
    assert caches[0] is not caches[2]
