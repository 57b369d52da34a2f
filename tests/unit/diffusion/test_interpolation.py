"""Section 4.6: styles interpolate linearly."""

from __future__ import annotations

import pytest
import torch

from cfld.diffusion.interpolation import check_weights, interpolate, interpolation_weights
from cfld.types import Conditioning, SourceConditioning


def source(seed: int, names: tuple[str, ...] = ("a", "b")) -> SourceConditioning:
    generator = torch.Generator().manual_seed(seed)
    biases = {name: torch.randn(1, 5, 6, generator=generator) for name in names}
    return SourceConditioning(torch.randn(1, 3, 4, generator=generator), biases)


def test_interpolation_is_linear_in_prompts_and_biases() -> None:
    sources, weights = [source(i) for i in range(3)], (0.2, 0.3, 0.5)
    mixed = interpolate(sources, weights)
    prompts = sum(w * s.prompt_embeds for w, s in zip(weights, sources, strict=True))
    torch.testing.assert_close(mixed.prompt_embeds, prompts)
    for name in ("a", "b"):
        expected = sum(w * s.query_bias[name] for w, s in zip(weights, sources, strict=True))
        torch.testing.assert_close(mixed.query_bias[name], expected)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_weight_of_one_returns_that_source(which: int) -> None:
    sources = [source(i) for i in range(3)]
    mixed = interpolate(sources, [float(i == which) for i in range(3)])
    assert torch.equal(mixed.prompt_embeds, sources[which].prompt_embeds)
    assert all(torch.equal(mixed.query_bias[name], sources[which].query_bias[name]) for name in ("a", "b"))


def test_a_bias_that_a_source_lacks_counts_as_zero() -> None:
    mixed = interpolate([source(0), source(1, ("a",))], (0.25, 0.75))
    torch.testing.assert_close(mixed.query_bias["b"], 0.25 * source(0).query_bias["b"])


def test_pose_features_are_dropped() -> None:
    mixed = interpolate([source(0).with_pose([torch.ones(1, 2, 3, 3)])], [1])
    assert type(mixed) is SourceConditioning
    assert not isinstance(mixed, Conditioning)


@pytest.mark.parametrize(
    ("sources", "weights", "message"),
    [
        (0, (), "no source"),
        (2, (1.0,), "1 weights for 2 sources"),
        (2, (0.5, 0.4), r"sum to 1, got 0.5, 0.4 \(sum 0.9\)"),
        (2, (1.5, -0.5), "0 or more"),
        (2, (float("nan"), 1.0), "0 or more"),
        (2, (float("inf"), 0.0), "0 or more"),
    ],
)
def test_invalid_weights_raise(sources: int, weights: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        interpolate([source(i) for i in range(sources)], weights)


def test_rounded_thirds_are_valid() -> None:
    check_weights(3, (0.33333, 0.33333, 0.33333))


def test_sources_of_different_shapes_raise() -> None:
    other = SourceConditioning(torch.zeros(1, 3, 8))
    with pytest.raises(ValueError, match=r"\(1, 3, 4\), \(1, 3, 8\)"):
        interpolate([source(0), other], (0.5, 0.5))


@pytest.mark.parametrize(("sources", "frames"), [(1, 2), (2, 2), (2, 9), (3, 5), (3, 8), (4, 30)])
def test_weights_are_evenly_spaced(sources: int, frames: int) -> None:
    path = interpolation_weights(sources, frames)
    assert len(path) == frames
    assert path[0] == (1.0, *[0.0] * (sources - 1))
    assert path[-1] == (*[0.0] * (sources - 1), 1.0)
    for weights in path:
        check_weights(sources, weights)
    assert interpolation_weights(3, 5) == [(1, 0, 0), (0.5, 0.5, 0), (0, 1, 0), (0, 0.5, 0.5), (0, 0, 1)]


def test_too_few_frames_or_sources_raise() -> None:
    with pytest.raises(ValueError, match="frames must be between 2 and 10,000, got 1"):
        interpolation_weights(2, 1)
    with pytest.raises(ValueError, match="no source"):
        interpolation_weights(0, 5)
