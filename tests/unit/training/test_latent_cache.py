from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from cfld.build import build_vae
from cfld.config.presets import tiny_model
from cfld.mannequin.dataset import MannequinDataset
from cfld.training.latent_cache import (
    LatentCache,
    build_latent_cache,
    encode_moments,
    open_latent_cache,
    sample_moments,
)
from cfld.training.stages import NamedImages

DATA = MannequinDataset(identities=2, poses=3, size=(64, 44))
IMAGES = NamedImages(DATA, DATA.names, 64)


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    torch.manual_seed(0)
    return build_vae(tiny_model().vae).eval()


def build(folder: Path, vae: AutoencoderKL, batch_size: int = 4) -> LatentCache:
    cache = open_latent_cache(folder, vae, DATA.names, IMAGES)
    build_latent_cache(cache, vae, IMAGES, batch_size)
    return cache


def test_the_cache_contains_the_vae_s_moments(tmp_path: Path, vae: AutoencoderKL) -> None:
    cache = build(tmp_path, vae)
    name = DATA.names[4]
    expected = encode_moments(vae, NamedImages(DATA, [name], 64)[0][None])[0]
    assert cache.moments(name).shape == (2, 4, 8, 8)
    torch.testing.assert_close(cache.moments(name).float(), expected, rtol=1e-3, atol=1e-4)


def test_it_resumes_after_an_interruption(tmp_path: Path, vae: AutoencoderKL) -> None:
    """As a kill leaves it: two rows are marked done, a third is half written."""
    whole = build(tmp_path / "whole", vae, batch_size=1)
    cache = build(tmp_path / "cut", vae, batch_size=1)
    file = cache.folder / "moments.float16"
    row = 2 * 4 * 8 * 8 * 2
    file.write_bytes(file.read_bytes()[: 2 * row + 100])
    (cache.folder / "done").write_text("2")
    build(tmp_path / "cut", vae, batch_size=1)
    assert file.read_bytes() == (whole.folder / "moments.float16").read_bytes()


def test_it_belongs_to_the_encoder_not_to_the_decoder(tmp_path: Path) -> None:
    vae = build_vae(tiny_model().vae)
    folder = open_latent_cache(tmp_path, vae, DATA.names, IMAGES).folder
    with torch.no_grad():
        vae.decoder.conv_out.weight.add_(1)
        vae.post_quant_conv.weight.add_(1)
    assert open_latent_cache(tmp_path, vae, DATA.names, IMAGES).folder == folder
    with torch.no_grad():
        vae.quant_conv.weight.add_(1)
    assert open_latent_cache(tmp_path, vae, DATA.names, IMAGES).folder != folder


def test_it_belongs_to_the_images_not_to_their_names_alone(tmp_path: Path, vae: AutoencoderKL) -> None:
    """Other people under the same names, as when a data set is prepared again."""
    others = MannequinDataset(identities=2, poses=3, size=(64, 44), seed=1)
    assert others.names == DATA.names
    folder = build(tmp_path, vae).folder
    assert open_latent_cache(tmp_path, vae, DATA.names, NamedImages(others, others.names, 64)).folder != folder


def test_a_complete_cache_is_not_built_again(tmp_path: Path, vae: AutoencoderKL) -> None:
    cache = build(tmp_path, vae)
    before = (cache.folder / "moments.float16").stat().st_mtime_ns
    build(tmp_path, vae)
    assert (cache.folder / "moments.float16").stat().st_mtime_ns == before


def test_other_weights_make_another_cache_and_the_old_one_goes(tmp_path: Path, vae: AutoencoderKL) -> None:
    old = build(tmp_path, vae)
    other = build_vae(tiny_model().vae).eval()
    new = build(tmp_path, other)
    assert new.folder != old.folder
    assert list(tmp_path.iterdir()) == [new.folder]


def test_samples_have_the_posterior_s_mean_and_deviation() -> None:
    torch.manual_seed(0)
    moments = torch.stack([torch.full((4, 32, 32), 3.0), torch.full((4, 32, 32), 0.5)])[None].half()
    sample = sample_moments(moments.repeat(8, 1, 1, 1, 1), scaling_factor=2.0)
    assert sample.shape == (8, 4, 32, 32)
    assert sample.mean().item() == pytest.approx(6, abs=0.02)
    assert sample.std().item() == pytest.approx(1, abs=0.02)
