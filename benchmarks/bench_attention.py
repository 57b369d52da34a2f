"""Attention of training forwards and backwards on the CPU: torch's own against two plain products.

    OMP_NUM_THREADS=1 python benchmarks/bench_attention.py

Batches of 16 with 4 heads. The two take turns; each figure is the smallest of several rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import tyro
from torch import Tensor
from torch.nn import functional as F

from cfld.models.hybrid_granularity_attention import two_products

SHAPES = ((256, 256, 24), (256, 16, 24), (64, 64, 28), (1024, 16, 40), (1024, 1024, 40))


@dataclass(frozen=True)
class Options:
    """Arguments of the benchmark."""

    rounds: int = 8


def main(options: Options) -> None:
    print("queries  keys  width  dtype      torch ms  products ms  ratio")
    for queries, keys, width in SHAPES:
        for dtype in (torch.float32, torch.bfloat16):
            inputs = [torch.randn(16, tokens, 4, width, dtype=dtype) for tokens in (queries, keys, keys)]
            both = (F.scaled_dot_product_attention, two_products)
            turns = [[seconds(attend, inputs) for attend in both] for _ in range(options.rounds)]
            own, products = (1000 * min(times) for times in zip(*turns, strict=True))
            name = str(dtype).removeprefix("torch.")
            print(f"{queries:7d} {keys:5d} {width:6d}  {name:9s} {own:9.2f} {products:12.2f} {own / products:6.2f}")


def seconds(attend: Callable[[Tensor, Tensor, Tensor], Tensor], inputs: list[Tensor]) -> float:
    """Time of one forward and backward pass."""
    q, k, v = (x.clone().transpose(1, 2).requires_grad_() for x in inputs)
    begin = time.perf_counter()
    attend(q, k, v).sum().backward()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main(tyro.cli(Options))
