from __future__ import annotations

import pytest
import torch

from cfld.diffusion.timesteps import sample_timesteps


def test_uniform_timesteps_are_uniform() -> None:
    t = sample_timesteps(100_000, 10, "uniform", torch.Generator().manual_seed(0))
    assert torch.bincount(t).tolist() == pytest.approx([10_000] * 10, rel=0.05)


def test_timesteps_follow_their_generator() -> None:
    one, two = (sample_timesteps(8, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)


def test_unknown_laws_are_told() -> None:
    with pytest.raises(ValueError, match="cubic"):
        sample_timesteps(1, law="square")  # type: ignore[arg-type]
