"""Plain attention gives what the fused kernel gives, and so do its gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cfld.training.attention import training_attention


def tensors(length: int = 7) -> list[Tensor]:
    return [torch.randn(2, 3, length, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]


def result_and_gradients(inputs: list[Tensor], **options: object) -> list[Tensor]:
    result = F.scaled_dot_product_attention(*inputs, **options)
    return [result, *torch.autograd.grad(result.square().sum(), inputs)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": 0.3},
        {"attn_mask": torch.randn(2, 1, 7, 7, dtype=torch.float64)},
        {"attn_mask": torch.eye(7, dtype=torch.bool)},
        {"is_causal": True},
    ],
    ids=lambda options: ",".join(options) or "plain",
)
def test_results_and_gradients_are_those_of_the_fused_kernel(options: dict[str, object]) -> None:
    inputs = tensors()
    expected = result_and_gradients(inputs, **options)
    with training_attention(torch.device("cpu")):
        found = result_and_gradients(inputs, **options)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_inside_no_fused_kernel_runs_and_outside_it_does() -> None:
    def kernels() -> set[str]:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            F.scaled_dot_product_attention(*tensors())
        return {event.key for event in profile.key_averages() if "scaled_dot_product" in event.key}

    assert kernels()
    with training_attention(torch.device("cpu")):
        assert not kernels()
    assert kernels()


def test_other_devices_keep_their_kernels() -> None:
    before = F.scaled_dot_product_attention
    with training_attention(torch.device("cuda")):
        assert F.scaled_dot_product_attention is before
