from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from cfld.build import build_vae
from cfld.config.presets import tiny_model
from cfld.data.base import image_digests
from cfld.data.registry import open_dataset
from cfld.mannequin.dataset import MannequinDataset, write_mannequin
from cfld.training.latent_cache import (
    LatentCache,
    build_latent_cache,
    encode_moments,
    open_latent_cache,
    sample_moments,
)
from cfld.training.stages import NamedImages

DATA = MannequinDataset(identities=2, poses=3, size=(64, 44))


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    torch.manual_seed(0)
    return build_vae(tiny_model().vae).eval()


def build(folder: Path, vae: AutoencoderKL, batch_size: int = 4, data: MannequinDataset = DATA) -> LatentCache:
    cache = open_latent_cache(folder, vae, data.names, 64)
    images = NamedImages(data, data.names, 64)
    build_latent_cache(cache, vae, images, image_digests(data, data.names), batch_size)
    return cache


def content(cache: LatentCache) -> tuple[bytes, bytes]:
    return cache.moments_file.read_bytes(), cache.digests_file.read_bytes()


def test_the_cache_contains_the_vae_s_moments(tmp_path: Path, vae: AutoencoderKL) -> None:
    cache = build(tmp_path, vae)
    name = DATA.names[4]
    expected = encode_moments(vae, NamedImages(DATA, [name], 64)[0][None])[0]
    assert cache.moments(name).shape == (2, 4, 8, 8)
    torch.testing.assert_close(cache.moments(name).float(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("rows", [2, 4, 5])
@pytest.mark.parametrize("cut", ["moments_file", "digests_file"])
def test_it_resumes_after_an_interruption(tmp_path: Path, vae: AutoencoderKL, rows: int, cut: str) -> None:
    """As a kill leaves it: some rows are complete, the next one is half written."""
    whole, cache = build(tmp_path / "whole", vae), build(tmp_path / "cut", vae)
    file: Path = getattr(cache, cut)
    size = file.stat().st_size // len(DATA.names)
    file.write_bytes(file.read_bytes()[: rows * size + size // 2])
    build(tmp_path / "cut", vae)
    assert content(cache) == content(whole)


def test_a_flipped_bit_is_found_when_read_and_mended_by_the_next_run(
    tmp_path: Path, vae: AutoencoderKL, caplog: pytest.LogCaptureFixture
) -> None:
    cache = build(tmp_path, vae)
    whole = content(cache)
    damaged = bytearray(whole[0])
    damaged[5 * cache.row_bytes + 77] ^= 8
    cache.moments_file.write_bytes(damaged)
    assert torch.isfinite(cache.moments(DATA.names[4])).all()
    with pytest.raises(ValueError, match=rf"moments\.float16: the latents of {DATA.names[5]} are damaged; repeat"):
        cache.moments(DATA.names[5])
    build(tmp_path, vae)
    assert content(cache) == whole
    assert caplog.messages == [f"{cache.folder}: images encoded again: 1 (1 damaged)"]


def test_a_changed_image_is_encoded_again_and_no_other(
    tmp_path: Path, vae: AutoencoderKL, caplog: pytest.LogCaptureFixture
) -> None:
    """Under its old name, neither the first, the middle nor the last."""
    write_mannequin(tmp_path / "data", identities=3, poses=2, size=(64, 44))
    data = open_dataset("mannequin", tmp_path / "data", "train")
    cache = build(tmp_path / "latents", vae, batch_size=1, data=data)
    before = [cache.moments(name) for name in data.names]
    data.path(data.names[1]).write_bytes(data.path(data.names[3]).read_bytes())
    encoded: list[int] = []
    with vae.encoder.register_forward_pre_hook(lambda _, args: encoded.append(len(args[0]))):
        build(tmp_path / "latents", vae, batch_size=1, data=data)
    assert encoded == [1]
    assert torch.equal(cache.moments(data.names[1]), before[3])
    assert all(torch.equal(cache.moments(data.names[row]), before[row]) for row in (0, 2, 3))
    assert caplog.messages == [f"{cache.folder}: images encoded again: 1 (1 image changed)"]


def test_it_belongs_to_the_encoder_not_to_the_decoder(tmp_path: Path) -> None:
    vae = build_vae(tiny_model().vae)
    folder = open_latent_cache(tmp_path, vae, DATA.names, 64).folder
    with torch.no_grad():
        vae.decoder.conv_out.weight.add_(1)
        vae.post_quant_conv.weight.add_(1)
    assert open_latent_cache(tmp_path, vae, DATA.names, 64).folder == folder
    with torch.no_grad():
        vae.quant_conv.weight.add_(1)
    assert open_latent_cache(tmp_path, vae, DATA.names, 64).folder != folder


def test_it_belongs_to_the_images_not_to_their_names_alone(tmp_path: Path, vae: AutoencoderKL) -> None:
    """Other people under the same names, as when a data set is prepared again."""
    others = MannequinDataset(identities=2, poses=3, size=(64, 44), seed=1)
    assert others.names == DATA.names
    before = content(build(tmp_path / "a", vae))
    assert (
        content(build(tmp_path / "a", vae, data=others)) == content(build(tmp_path / "b", vae, data=others)) != before
    )


def test_a_complete_cache_is_not_built_again(tmp_path: Path, vae: AutoencoderKL) -> None:
    cache = build(tmp_path, vae)
    before = cache.moments_file.stat().st_mtime_ns
    build(tmp_path, vae)
    assert cache.moments_file.stat().st_mtime_ns == before


def test_other_weights_make_another_cache_and_all_else_in_the_folder_stays(tmp_path: Path, vae: AutoencoderKL) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").touch()
    (tmp_path / "letter.txt").touch()
    old = build(tmp_path, vae)
    other = build_vae(tiny_model().vae).eval()
    new = build(tmp_path, other)
    assert new.folder != old.folder
    assert {*tmp_path.iterdir()} == {tmp_path / "mine", tmp_path / "letter.txt", old.folder, new.folder}
    assert (tmp_path / "mine" / "a.txt").exists()
    assert sorted(path.name for path in new.folder.iterdir()) == sorted(path.name for path in old.folder.iterdir())


def test_samples_have_the_posterior_s_mean_and_deviation() -> None:
    torch.manual_seed(0)
    moments = torch.stack([torch.full((4, 32, 32), 3.0), torch.full((4, 32, 32), 0.5)])[None].half()
    sample = sample_moments(moments.repeat(8, 1, 1, 1, 1), scaling_factor=2.0)
    assert sample.shape == (8, 4, 32, 32)
    assert sample.mean().item() == pytest.approx(6, abs=0.02)
    assert sample.std().item() == pytest.approx(1, abs=0.02)
