from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cfld.inference.reconstruction import open_vae, through_vae


def test_reconstructions_have_the_size_asked_for(model_folder: Path) -> None:
    images = torch.rand(2, 3, 50, 30, generator=torch.Generator().manual_seed(0))
    reconstructed = through_vae(open_vae(str(model_folder)), images, (64, 44))
    assert reconstructed.shape == (2, 3, 64, 44)
    assert reconstructed.isfinite().all()


def test_no_vae(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no vae/config\.json"):
        open_vae(str(tmp_path / "nothing"))
