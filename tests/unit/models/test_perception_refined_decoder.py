from __future__ import annotations

import torch

from cfld.models.perception_refined_decoder import PerceptionRefinedDecoder


def small(depth: int = 2) -> PerceptionRefinedDecoder:
    torch.manual_seed(0)
    return PerceptionRefinedDecoder(9, source_dim=12, num_queries=5, dim=16, depth=depth, num_heads=4).eval()


def test_the_prompt_has_the_shape_of_the_queries() -> None:
    assert small()(torch.randn(2, 12, 3, 3)).shape == (2, 5, 16)


@torch.no_grad()
def test_no_block_leaves_the_queries_unrefined() -> None:
    decoder = small(depth=0)
    assert torch.equal(decoder(torch.randn(2, 12, 3, 3)), decoder.queries.expand(2, -1, -1))


@torch.no_grad()
def test_a_batch_is_its_samples() -> None:
    decoder, f_4 = small(), torch.randn(3, 12, 3, 3)
    together = decoder(f_4)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], decoder(f_4[i : i + 1]), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_place_of_a_token_matters_only_through_its_position() -> None:
    """Attention over f_4 ignores the order of its tokens once their positions move along."""
    decoder, f_4 = small(), torch.randn(1, 12, 3, 3)
    order = torch.randperm(9)
    shuffled = f_4.flatten(2)[..., order].unflatten(2, (3, 3))
    prompt = decoder(f_4)
    assert not torch.allclose(decoder(shuffled), prompt, atol=1e-4)
    decoder.source_position.copy_(decoder.source_position[:, order])
    torch.testing.assert_close(decoder(shuffled), prompt, atol=1e-5, rtol=1e-5)


def test_queries_and_source_both_get_gradients() -> None:
    decoder, f_4 = small(), torch.randn(1, 12, 3, 3, requires_grad=True)
    decoder(f_4).square().sum().backward()
    assert f_4.grad is not None
    assert f_4.grad.any()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in decoder.parameters())
