"""Equations 4 and 7 and the timestep law of section 3.3, against naive implementations."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor

from cfld.build import Components
from cfld.diffusion.guidance import guided_denoiser
from cfld.diffusion.timesteps import sample_timesteps
from cfld.models.hybrid_granularity_attention import HybridGranularityAttnProcessor
from cfld.models.unet import predict_noise
from cfld.types import Conditioning

BATCH, TOKENS, DIM, HEADS, PROMPT, PROMPT_DIM = 2, 9, 12, 3, 5, 7
WEIGHTS = [(1, 1), (2, 2), (1, 3), (3, 1), (0, 2), (2, 0), (0, 0), (1, 0), (0, 1), (2.5, -0.5)]


@pytest.fixture(scope="module")
def attention() -> Attention:
    torch.manual_seed(0)
    return Attention(DIM, PROMPT_DIM, heads=HEADS, dim_head=DIM // HEADS, processor=AttnProcessor2_0()).eval()


def naive_attention(attention: Attention, x: Tensor, prompt: Tensor, bias: Tensor) -> Tensor:
    """Eq. 4 with its softmax written out, head by head."""
    Q, K, V = attention.to_q(x) + bias, attention.to_k(prompt), attention.to_v(prompt)
    d = DIM // HEADS
    heads = []
    for h in range(HEADS):
        q, k, v = (tensor[..., h * d : (h + 1) * d] for tensor in (Q, K, V))
        heads.append(torch.softmax(q @ k.transpose(1, 2) / d**0.5, dim=-1) @ v)
    return attention.to_out[0](torch.cat(heads, dim=-1))


@torch.no_grad()
def test_equation_4(attention: Attention) -> None:
    x, prompt = torch.randn(BATCH, TOKENS, DIM), torch.randn(BATCH, PROMPT, PROMPT_DIM)
    bias = torch.randn(BATCH, TOKENS, DIM)
    biased = HybridGranularityAttnProcessor("here")(attention, x, prompt, query_bias={"here": bias, "there": -bias})
    torch.testing.assert_close(biased, naive_attention(attention, x, prompt, bias), atol=1e-6, rtol=1e-5)


def conditions(components: Components) -> tuple[Conditioning, Conditioning]:
    torch.manual_seed(0)
    full = components.conditioner(torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 21, 32, 32))
    return full, components.conditioner.null(2)


@torch.no_grad()
@pytest.mark.parametrize(("w_pose", "w_app"), WEIGHTS)
def test_equation_7(components: Components, w_pose: float, w_app: float) -> None:
    full, null = conditions(components)
    z_t, t = torch.randn(2, 4, 8, 8), torch.tensor(500)
    eps_null, eps_pose, eps_full = (
        predict_noise(components.unet, z_t, t, c) for c in (null, null.with_pose(full.pose_features), full)
    )
    naive = eps_null + w_pose * (eps_pose - eps_null) + w_app * (eps_full - eps_pose)
    denoise = guided_denoiser(lambda z, t, c: predict_noise(components.unet, z, t, c), full, null, w_pose, w_app)
    torch.testing.assert_close(denoise(z_t, t), naive, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(eps_pose, eps_full, atol=1e-3)
    assert not torch.allclose(eps_pose, eps_null, atol=1e-3)


def test_the_cubic_law() -> None:
    """Section 3.3: t = (1 - u^3) T, so P(t >= a T) = (1 - a)^(1/3)."""
    t = sample_timesteps(200_000, 1000, "cubic", torch.Generator().manual_seed(0))
    assert t.dtype == torch.int64
    assert t.min() >= 0
    assert t.max() == 999
    for share in (0.1, 0.5, 0.9):
        assert (t >= share * 1000).double().mean().item() == pytest.approx((1 - share) ** (1 / 3), abs=5e-3)
