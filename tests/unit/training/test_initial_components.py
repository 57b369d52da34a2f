import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cfld import build
from cfld.config.presets import tiny, tiny_model
from cfld.config.schema import DataConfig, TrainConfig
from cfld.convert import save_model
from cfld.training.initial_components import initial_components, open_data


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(7)
    out = tmp_path_factory.mktemp("saved") / "model"
    save_model(build.build_components(tiny_model()), out, tiny_model().output_size)
    return out


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    other = b.state_dict()
    return all(torch.equal(tensor, other[name]) for name, tensor in a.state_dict().items())


def test_random_parts_are_the_seed_s() -> None:
    first, again, other = (initial_components(replace(tiny(), seed=seed)) for seed in (1, 1, 2))
    for part in ("conditioner", "unet", "vae"):
        assert same(getattr(first, part), getattr(again, part))
        assert not same(getattr(first, part), getattr(other, part))


def test_init_from_gives_all_that_it_has_and_the_seed_the_rest(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "vae-only"
    shutil.copytree(saved / "vae", folder / "vae")
    random, whole, partly = (
        initial_components(replace(tiny(), init_from=init)) for init in (None, str(saved), str(folder))
    )
    assert same(partly.vae, whole.vae)
    assert not same(partly.vae, random.vae)
    assert same(partly.unet, random.unet)
    assert same(partly.conditioner, random.conditioner)
    assert not same(whole.conditioner, random.conditioner)
    assert all(buffer.isfinite().all() for buffer in whole.conditioner.buffers())


def test_the_saved_scale_of_the_latents_counts(saved: Path, tmp_path: Path) -> None:
    components = initial_components(replace(tiny(), init_from=str(saved)))
    components.vae.register_to_config(scaling_factor=0.5)
    components.vae.save_pretrained(tmp_path / "vae")
    assert initial_components(replace(tiny(), init_from=str(tmp_path))).vae.config.scaling_factor == 0.5


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("conditioner", {"num_queries": 5}, r"conditioner does not fit.*num_queries 4 instead of 5"),
        ("unet", {"num_heads": 4}, r"unet does not fit.*attention_head_dim 2 instead of 4"),
        ("vae", {"latent_channels": 8}, r"vae does not fit.*latent_channels 4 instead of 8"),
        ("scheduler", {"prediction_type": "v_prediction"}, "prediction_type epsilon instead of v_prediction"),
    ],
)
def test_other_dimensions_are_one_clear_line(saved: Path, part: str, change: dict, message: str) -> None:
    model = replace(tiny_model(), **{part: replace(getattr(tiny_model(), part), **change)})
    with pytest.raises(ValueError, match=message):
        initial_components(replace(tiny(), model=model, init_from=str(saved)))


def test_a_folder_without_any_component_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no initial model"):
        initial_components(TrainConfig(init_from=str(tmp_path)))


def test_a_real_data_set_needs_a_folder() -> None:
    with pytest.raises(ValueError, match=r"data.root is not set.*deepfashion"):
        open_data(DataConfig(), "train", (256, 176))


def test_mannequins_need_no_folder() -> None:
    data = open_data(DataConfig(kind="mannequin", identities=2, poses=2), "test", (64, 44))
    assert len(data) == 4
    assert data.image(data.names[0]).shape == (3, 64, 44)
