from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from cfld.models.loading import load_component
from support.errors import refusal

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


def test_half_precision_on_disk_loads_as_float32(folder: Path) -> None:
    load_component(UNet2DConditionModel, folder, "unet").half().save_pretrained(folder / "unet")
    assert load_file(folder / "unet" / WEIGHTS)["conv_in.weight"].dtype == torch.float16
    assert load_component(UNet2DConditionModel, folder, "unet").dtype == torch.float32


def test_missing_and_unexpected_weights_raise(folder: Path) -> None:
    weights = load_file(folder / "vae" / WEIGHTS)
    weights["stranger"] = weights.pop("encoder.conv_in.weight")
    save_file(weights, folder / "vae" / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"1 missing weights \(encoder\.conv_in\.weight\); 1 unexpected .*stranger"):
        load_component(AutoencoderKL, folder, "vae")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(("component", "cls"), [("unet", UNet2DConditionModel), ("vae", AutoencoderKL)])
def test_weights_that_are_not_finite_raise(folder: Path, component: str, cls: type, value: float) -> None:
    weights = load_file(folder / component / WEIGHTS)
    name = sorted(weights)[3]
    weights[name].view(-1)[-1] = value
    save_file(weights, folder / component / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=rf"{component}: 1 tensors have values that are not finite \({name}\)"):
        load_component(cls, folder, component)


def test_mis_shaped_weights_raise(folder: Path) -> None:
    weights = load_file(folder / "vae" / WEIGHTS)
    weights["encoder.conv_in.weight"] = weights["encoder.conv_in.weight"][:4].clone()
    save_file(weights, folder / "vae" / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"vae does not load: .*encoder\.conv_in\.weight"):
        load_component(AutoencoderKL, folder, "vae")


def test_a_component_of_another_class_raises(folder: Path) -> None:
    shutil.rmtree(folder / "vae")
    shutil.copytree(folder / "unet", folder / "vae")
    with pytest.raises(ValueError, match="holds a UNet2DConditionModel, expected a AutoencoderKL"):
        load_component(AutoencoderKL, folder, "vae")


@pytest.mark.parametrize(("file", "content"), [(WEIGHTS, b"\x08\0\0"), ("config.json", b"{"), ("config.json", b"[1]")])
def test_broken_files_raise(folder: Path, file: str, content: bytes) -> None:
    (folder / "unet" / file).write_bytes(content)
    with pytest.raises(ValueError, match="unet"):
        load_component(UNet2DConditionModel, folder, "unet")


def test_a_truncated_file_raises(folder: Path) -> None:
    whole = (folder / "unet" / WEIGHTS).read_bytes()
    (folder / "unet" / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="unet does not load"):
        load_component(UNet2DConditionModel, folder, "unet")


def test_missing_files_raise(folder: Path) -> None:
    (folder / "unet" / WEIGHTS).unlink()
    with pytest.raises(ValueError, match="unet does not load"):
        load_component(UNet2DConditionModel, folder, "unet")
    (folder / "unet" / "config.json").unlink()
    with pytest.raises(ValueError, match=r"no unet/config\.json"):
        load_component(UNet2DConditionModel, folder, "unet")


def test_dimensions_that_do_not_build_raise(folder: Path) -> None:
    config = json.loads((folder / "unet" / "config.json").read_text())
    (folder / "unet" / "config.json").write_text(json.dumps({**config, "block_out_channels": [8, 16]}))
    with pytest.raises(ValueError, match="unet does not load"):
        load_component(UNet2DConditionModel, folder, "unet")


@pytest.mark.parametrize("value", [None, "x", [], {}, 0, -1, 7, 10**9, 0.5, True], ids=repr)
@pytest.mark.parametrize(("component", "cls"), [("unet", UNet2DConditionModel), ("vae", AutoencoderKL)])
def test_wrong_configurations_are_one_line(folder: Path, component: str, cls: type, value: object) -> None:
    config = json.loads((folder / component / "config.json").read_text())
    for name in [name for name in config if not name.startswith("_")][len(repr(value)) % 5 :: 5]:
        (folder / component / "config.json").write_text(json.dumps({**config, name: value}))
        assert "\n" not in refusal(load_component, cls, folder, component)


def test_large_numbers_are_not_built(folder: Path) -> None:
    config = json.loads((folder / "unet" / "config.json").read_text())
    for name, value in {"layers_per_block": 1000, "block_out_channels": [8, 10**9], "norm_eps": float("nan")}.items():
        (folder / "unet" / "config.json").write_text(json.dumps({**config, name: value}))
        with pytest.raises(ValueError, match=rf"config\.json: {name} is .*; the limit is"):
            load_component(UNet2DConditionModel, folder, "unet")
