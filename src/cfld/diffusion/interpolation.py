"""Style interpolation (section 4.6), without training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from cfld.ranges import Frames, check_number
from cfld.types import SourceConditioning

SUM_TOLERANCE: Final = 1e-4
"""Accepted deviation of the weights' sum from 1, for weights typed as decimals."""


def interpolate(conditionings: Sequence[SourceConditioning], weights: Sequence[float]) -> SourceConditioning:
    """Interpolates linearly between sources: coarse-grained prompts and fine-grained biases alike (section 4.6).

    Args:
        conditionings: one per source, of one model and batch size; see `CFLDPipeline.encode_source`.
        weights: one per source, non-negative, summing to 1. A source of weight 1 is returned bit-identical.

    Raises:
        ValueError: if there are no sources, the weights are invalid, or the sources differ in shape.
    """
    check_weights(len(conditionings), weights)
    if len(shapes := {tuple(c.prompt_embeds.shape) for c in conditionings}) > 1:
        raise ValueError(f"sources must be of one model and batch size, got prompts of shapes {sorted(shapes)}")
    terms = [(w, c) for w, c in zip(weights, conditionings, strict=True) if w != 0]
    names = dict.fromkeys(name for _, c in terms for name in c.query_bias)
    # section 4.6: sum of w F_d^out, sum of w B
    return SourceConditioning(
        _sum([w * c.prompt_embeds for w, c in terms]),
        {name: _sum([w * c.query_bias[name] for w, c in terms if name in c.query_bias]) for name in names},
    )


def check_weights(sources: int, weights: Sequence[float]) -> None:
    """Raises ValueError if `weights` are not one non-negative number per source, summing to 1."""
    _check_sources(sources)
    if len(weights) != sources:
        raise ValueError(f"{len(weights)} weights for {sources} sources; give one per source")
    if not all(0 <= w <= 1 + SUM_TOLERANCE for w in weights) or abs(math.fsum(weights) - 1) > SUM_TOLERANCE:
        listed = ", ".join(f"{w:g}" for w in weights)
        raise ValueError(f"weights must be 0 or more and sum to 1, got {listed} (sum {math.fsum(weights):g})")


def interpolation_weights(sources: int, frames: int) -> list[tuple[float, ...]]:
    """Weights of evenly spaced images from the first source to the last, through the others in order.

    Returns:
        `frames` tuples of one weight per source.

    Raises:
        ValueError: if there are no sources, or fewer than two frames.
    """
    _check_sources(sources)
    check_number(Frames, "frames", frames)
    positions = [frame * (sources - 1) / (frames - 1) for frame in range(frames)]
    return [tuple(max(0.0, 1.0 - abs(position - source)) for source in range(sources)) for position in positions]


def _check_sources(sources: int) -> None:
    if sources == 0:
        raise ValueError("there are no sources to interpolate; give at least one")


def _sum(terms: Sequence[Tensor]) -> Tensor:
    return terms[0] if len(terms) == 1 else torch.stack(list(terms)).sum(0)
