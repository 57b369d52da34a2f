"""Table 1: the trainable parameters of each component, exactly as the authors' code counts them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cfld.build import build_components, count_parameters
from cfld.cli import main
from cfld.config.presets import get_preset

TABLE_1 = {
    "H_S": 86_991_864,
    "H_A": 22_549_632,
    "H_D": 97_712_128,
    "H_P": 30_636_480,
    "null_prompt": 12_288,
    "H_N_trainable": 10_321_920,
    "H_N": 859_520_964,
}
TOTAL_IN_MILLIONS = 248.2
"""As printed in the paper."""


@pytest.mark.parametrize("preset", ["deepfashion-512", "deepfashion-256", "market1501"])
def test_count(preset: str) -> None:
    count = count_parameters(get_preset(preset).model)
    assert asdict(count) == TABLE_1
    assert round(count.total_trainable / 1e6, 1) == TOTAL_IN_MILLIONS
    assert count.total_trainable == sum(TABLE_1.values()) - TABLE_1["H_N"]


def test_command_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["params", "deepfashion-512", "--json"])
    printed = json.loads(capsys.readouterr().out)
    for key in ("H_S", "H_A", "H_D", "H_P", "H_N_trainable"):
        assert printed[key] == TABLE_1[key]
    assert printed["total_trainable"] == sum(TABLE_1.values()) - TABLE_1["H_N"]


def test_command_as_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["params", "deepfashion-512"])
    printed = capsys.readouterr().out
    for number in ("86.991864", "22.549632", "97.712128", "30.636480", "10.321920", "248.224312"):
        assert number in printed


class Allocations(TorchDispatchMode):
    """Counts the bytes of all tensors created outside the meta device."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.total += sum(x.nbytes for x in tree_leaves(made) if isinstance(x, Tensor) and not x.is_meta)
        return made


def test_counting_allocates_no_weights() -> None:
    """They would take 4.4 GB."""
    with Allocations() as allocations:
        count_parameters(get_preset("deepfashion-512").model)
    assert allocations.total < 1e6
    with Allocations() as allocations:
        build_components(get_preset("tiny").model)
    assert allocations.total > 1e6


@pytest.mark.parametrize(("weights", "per_attention"), [("kv", 2), ("qkv", 3)])
def test_trainable_parameters_of_the_unet(weights: str, per_attention: int) -> None:
    model = get_preset("tiny").model
    dims = [width for width in reversed(model.conditioner.unet_channels) for _ in range(2)]
    keys_values = sum(2 * dim * model.conditioner.prompt_dim for dim in dims)
    queries = sum(dim * dim for dim in dims) if per_attention == 3 else 0
    assert count_parameters(model, weights).H_N_trainable == keys_values + queries
