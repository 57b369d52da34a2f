"""Images through the VAE alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cfld.inference.reconstruction import open_vae, through_vae
from cfld.pipeline import CFLDPipeline


def test_the_vae_of_a_model_folder(model_folder: Path, pipe: CFLDPipeline) -> None:
    saved = pipe.vae.state_dict()
    assert all(torch.equal(tensor, saved[name]) for name, tensor in open_vae(str(model_folder)).state_dict().items())
    assert open_vae("mannequin").config.sample_size > 0
    with pytest.raises(ValueError, match=r"no vae/config\.json"):
        open_vae("nowhere")


def test_any_size_in_and_out(pipe: CFLDPipeline) -> None:
    images = torch.rand(2, 3, 40, 30, generator=torch.Generator().manual_seed(0))
    result = through_vae(pipe.vae, images, (64, 44))
    assert result.shape == (2, 3, 64, 44)
    torch.testing.assert_close(through_vae(pipe.vae, images[:1], (64, 44)), result[:1])
