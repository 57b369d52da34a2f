from __future__ import annotations

import functools
import json
import os
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from torch import Tensor

from cfld.build import build_conditioner
from cfld.config.presets import tiny_model
from cfld.convert import (
    CONDITIONER_FILE,
    UNET_FILE,
    compare,
    convert_checkpoint,
    convert_start,
    load_official_checkpoint,
    load_scheduler,
    load_swin,
    read_weights,
    resize_bias_table,
)
from cfld.models.swin import SwinTransformer
from cfld.pipeline import CFLDPipeline
from support.errors import refusal

PARITY = Path(__file__).parents[1] / "parity"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of zeros in the released format; read only."""
    import gzip

    folder = tmp_path_factory.mktemp("released")
    keys = json.loads(gzip.decompress((PARITY / "golden" / "tiny" / "checkpoint_keys.json.gz").read_bytes()))
    for file, shapes in keys.items():
        torch.save({key: torch.zeros(shape, dtype=torch.float16) for key, (shape, _) in shapes.items()}, folder / file)
    shutil.copy(PARITY / "golden" / "tiny" / "config.json", folder)
    shutil.copytree(PARITY / "golden" / "tiny" / "unet", folder / "unet")
    return folder


@pytest.fixture
def spoilt(released: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(released, tmp_path / "released"))


def change(path: Path, **changes: Tensor | None) -> None:
    state = torch.load(path, weights_only=True)
    for key, tensor in changes.items():
        state.pop(key, None)
        if tensor is not None:
            state[key] = tensor
    torch.save(state, path)


class Attack:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def test_half_precision_files_load_as_float32(released: Path) -> None:
    conditioner, unet = load_official_checkpoint(released)
    assert {p.dtype for module in (conditioner, unet) for p in module.parameters()} == {torch.float32}
    assert not any(
        tensor.is_meta for module in (conditioner, unet) for tensor in (*module.parameters(), *module.buffers())
    )
    assert not conditioner.training
    assert not unet.training


def test_one_error_lists_all_problems_of_both_files(spoilt: Path) -> None:
    change(spoilt / CONDITIONER_FILE, **{"decoder.query_feat": None, "stranger": torch.zeros(1)})
    change(spoilt / CONDITIONER_FILE, learnable_vector=torch.zeros(1, 2, 3))
    change(spoilt / UNET_FILE, **{"model.conv_in.bias": None, "model.odd": torch.zeros(1)})
    with pytest.raises(ValueError, match="does not fit the model") as error:
        load_official_checkpoint(spoilt)
    for message in (
        f"{CONDITIONER_FILE}: missing prompt_decoder.queries",
        f"{CONDITIONER_FILE}: unexpected stranger",
        f"{CONDITIONER_FILE}: null_prompt has shape (1, 2, 3), expected (1, 6, 32)",
        f"{UNET_FILE}: missing conv_in.bias",
        f"{UNET_FILE}: unexpected odd",
    ):
        assert message in str(error.value)
    assert str(error.value).count(";") == 4


def test_nothing_is_written_when_keys_do_not_fit(spoilt: Path, sd15_folder: Path, tmp_path: Path) -> None:
    change(spoilt / UNET_FILE, **{"model.conv_in.bias": None})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"missing conv_in\.bias"):
        convert_checkpoint(spoilt, sd15_folder, tmp_path / "new" / "out", (256, 176))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("file", [CONDITIONER_FILE, UNET_FILE])
def test_code_in_a_pickle_is_not_run(spoilt: Path, tmp_path: Path, file: str) -> None:
    for dump in (torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))):
        dump({"learnable_vector": Attack(f"touch {tmp_path / 'owned'}")}, spoilt / file)
        with pytest.raises(ValueError, match=f"{file}: not a plain file of weights"):
            load_official_checkpoint(spoilt)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"no pickle at all", b"PK\x03\x04"])
def test_files_that_are_not_pickles_raise(tmp_path: Path, content: bytes) -> None:
    for name in ("weights.bin", "weights.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name}: not a (plain|safetensors) file"):
            read_weights(tmp_path / name)


def test_other_contents_raise(tmp_path: Path) -> None:
    for content in ([torch.zeros(1)], {"a": 1}, torch.zeros(1)):
        torch.save(content, tmp_path / "weights.bin")
        with pytest.raises(ValueError, match="not a dictionary of tensors"):
            read_weights(tmp_path / "weights.bin")
    with pytest.raises(ValueError, match="no such file"):
        read_weights(tmp_path / "none.bin")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "{"),
        ("config.json", "{}"),
        ("config.json", '{"source_image_size": 64, "swin": 5}'),
        ("unet/config.json", "[1]"),
        ("unet/config.json", '{"block_out_channels": 5}'),
    ],
)
def test_broken_dimensions_raise(spoilt: Path, file: str, content: str) -> None:
    (spoilt / file).write_text(content)
    with pytest.raises(ValueError, match=file):
        load_official_checkpoint(spoilt)


def test_a_converted_folder_opens(released: Path, sd15_folder: Path, tmp_path: Path) -> None:
    convert_checkpoint(released, sd15_folder, tmp_path / "model", (128, 64))
    pipe = CFLDPipeline.from_pretrained(tmp_path / "model")
    assert tuple(pipe.config.output_size) == (128, 64)
    assert type(pipe.scheduler) is DDPMScheduler
    files = {path.name for path in (tmp_path / "model").rglob("*") if path.is_file()}
    weights = "diffusion_pytorch_model.safetensors"
    assert files == {"model_index.json", "config.json", "scheduler_config.json", weights, "pipeline.py"}
    with pytest.raises(ValueError, match="exists already"):
        convert_checkpoint(released, sd15_folder, tmp_path / "model", (128, 64))


def test_the_noise_schedule_is_that_of_the_base(sd15_folder: Path, tmp_path: Path) -> None:
    """Also from a PNDM file without `clip_sample`, which DDPM sets by default."""
    config = load_scheduler(sd15_folder).config
    expected = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    expected |= {"clip_sample": False, "timestep_spacing": "leading", "prediction_type": "epsilon"}
    assert {name: config[name] for name in expected} == expected
    for content in ("[]", "{", '{"beta_schedule": "none"}'):
        (tmp_path / "scheduler").mkdir(exist_ok=True)
        (tmp_path / "scheduler" / "scheduler_config.json").write_text(content)
        with pytest.raises(ValueError, match=r"scheduler_config\.json"):
            load_scheduler(tmp_path)


def microsoft_file(path: Path, window: int = 12, **changes: Tensor | None) -> SwinTransformer:
    """Writes a file like the published Swin-B: ImageNet head, final norm, masks, indices, tables of another window."""
    c = tiny_model().conditioner
    torch.manual_seed(5)
    encoder = SwinTransformer(window * 4 * 8, 4, c.swin_dim, c.swin_depths, c.swin_heads, window)
    state = dict(encoder.state_dict())
    for name, module in encoder.named_modules():
        if name.endswith(".attn"):
            state[f"{name}.relative_position_index"] = module.relative_position_index
    state |= {"norm.weight": torch.ones(64), "norm.bias": torch.ones(64), "head.weight": torch.ones(10, 64)}
    state |= changes
    torch.save({"model": {key: tensor for key, tensor in state.items() if tensor is not None}}, path)
    return encoder


def test_microsofts_file_loads_with_its_tables_resized(tmp_path: Path) -> None:
    published = microsoft_file(tmp_path / "swin.pth")
    encoder = build_conditioner(tiny_model().conditioner).source_encoder
    masks = [block.attn_mask.clone() for block in encoder.modules() if getattr(block, "attn_mask", None) is not None]
    load_swin(encoder, tmp_path / "swin.pth")
    source, loaded = dict(published.named_parameters()), dict(encoder.named_parameters())
    for name, parameter in loaded.items():
        if name.endswith("bias_table"):
            assert source[name].shape[0] == 23**2
            assert torch.equal(parameter, resize_bias_table(source[name], len(parameter)))
        else:
            assert torch.equal(parameter, source[name]), name
    kept = [block.attn_mask for block in encoder.modules() if getattr(block, "attn_mask", None) is not None]
    assert all(torch.equal(a, b) for a, b in zip(masks, kept, strict=True))


def test_a_file_that_does_not_fit_leaves_the_encoder_unchanged(tmp_path: Path) -> None:
    broken = {"patch_embed.proj.bias": None, "odd": torch.zeros(1), "layers.0.blocks.0.norm1.bias": torch.zeros(3)}
    table = "layers.0.blocks.0.attn.relative_position_bias_table"
    microsoft_file(tmp_path / "swin.pth", **broken, **{table: torch.zeros(500, 1)})
    encoder = build_conditioner(tiny_model().conditioner).source_encoder
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    with pytest.raises(ValueError, match="does not fit the source encoder") as error:
        load_swin(encoder, tmp_path / "swin.pth")
    for message in (
        "missing patch_embed.proj.bias",
        "unexpected odd",
        "norm1.bias has shape (3,)",
        f"{table} has shape (500",
    ):
        assert message in str(error.value)
    assert all(torch.equal(encoder.state_dict()[name], tensor) for name, tensor in before.items())


def test_resizing_to_the_same_size_changes_nothing() -> None:
    table = torch.randn(23**2, 4)
    assert torch.equal(resize_bias_table(table, 23**2), table)


def test_resizing_keeps_constants_and_the_centre() -> None:
    constant = resize_bias_table(torch.full((23**2, 2), 3.0), 31**2)
    torch.testing.assert_close(constant, torch.full((31**2, 2), 3.0))
    ramp = torch.linspace(-1, 1, 23)
    table = (ramp[:, None] + 0 * ramp[None]).reshape(-1, 1)
    resized = resize_bias_table(table, 15**2).reshape(15, 15)
    assert resized[7, 7] == pytest.approx(0, abs=1e-6)
    assert (resized.diff(dim=0) > 0).all()
    assert resized.diff(dim=1).abs().max() < 1e-6


def test_training_starts_from_a_base_and_swin(sd15_folder: Path, tmp_path: Path) -> None:
    published = microsoft_file(tmp_path / "swin.pth")
    convert_start(sd15_folder, tmp_path / "swin.pth", tmp_path / "start", tiny_model())
    pipe = CFLDPipeline.from_pretrained(tmp_path / "start")
    assert torch.equal(pipe.conditioner.source_encoder.patch_embed.proj.weight, published.patch_embed.proj.weight)
    base = read_weights(sd15_folder / "unet" / "diffusion_pytorch_model.safetensors")
    assert compare(pipe.unet, base) == []
    assert all(torch.equal(pipe.unet.state_dict()[name], tensor) for name, tensor in base.items())
    assert not any(encoder.zero_conv_out.weight.any() for encoder in pipe.conditioner.appearance_encoders)


def test_a_base_of_other_dimensions_raises(sd15_folder: Path, tmp_path: Path) -> None:
    model = tiny_model()
    with pytest.raises(ValueError, match=r"prompt_dim .*\(32 and 16\).*must agree"):
        convert_start(
            sd15_folder,
            None,
            tmp_path / "start",
            replace(model, conditioner=replace(model.conditioner, prompt_dim=32)),
        )
    assert list(tmp_path.iterdir()) == []


def as_pickles(folder: Path, sd15_folder: Path) -> Path:
    """A base like older ones on the hub: pickles only."""
    shutil.copytree(sd15_folder, folder)
    for part in ("unet", "vae"):
        weights = read_weights(folder / part / "diffusion_pytorch_model.safetensors")
        (folder / part / "diffusion_pytorch_model.safetensors").unlink()
        torch.save(weights, folder / part / "diffusion_pytorch_model.bin")
    return folder


def test_a_base_of_pickles_is_read_as_weights_only(sd15_folder: Path, tmp_path: Path) -> None:
    base = as_pickles(tmp_path / "base", sd15_folder)
    convert_start(base, None, tmp_path / "start", tiny_model())
    assert not list((tmp_path / "start").rglob("*.bin"))
    weights = torch.load(base / "unet" / "diffusion_pytorch_model.bin", weights_only=True)
    weights["conv_in.weight"] = Attack(f"touch {tmp_path / 'owned'}")
    torch.save(weights, base / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(ValueError, match="base/unet does not load"):
        convert_start(base, None, tmp_path / "again", tiny_model())
    assert not (tmp_path / "owned").exists()
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("part", ["unet", "vae", "scheduler"])
def test_a_base_without_a_component_raises(sd15_folder: Path, tmp_path: Path, part: str) -> None:
    base = Path(shutil.copytree(sd15_folder, tmp_path / "base"))
    shutil.rmtree(base / part)
    with pytest.raises(ValueError, match=f"no {part}/"):
        convert_start(base, None, tmp_path / "start", tiny_model())


def values(config: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON content."""
    if path:
        yield path
    items = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for key, value in items:
        yield from values(value, (*path, key))


WRONG = (None, "x", [], {}, 0, -1, 3, 10**9, 1e30, 0.5, [3, 5, 7], True)
GOLDEN = PARITY / "golden" / "tiny"


@pytest.mark.parametrize("file", ["config.json", "unet/config.json"])
def test_wrong_configurations_of_a_release_are_one_line(spoilt: Path, file: str) -> None:
    """Values in turn are missing or another; the result loads or is refused, whatever diffusers raises."""
    config = json.loads((GOLDEN / file).read_text())
    for index, path in enumerate(list(values(config))[::4]):
        changed = json.loads((GOLDEN / file).read_text())
        parent = functools.reduce(lambda part, key: part[key], path[:-1], changed)
        if index % 4:
            parent[path[-1]] = WRONG[index % len(WRONG)]
        else:
            del parent[path[-1]]
        (spoilt / file).write_text(json.dumps(changed))
        assert "\n" not in refusal(load_official_checkpoint, spoilt)


@pytest.mark.parametrize(
    "content", [{1: torch.zeros(2)}, {"a": torch.zeros(2).to_sparse()}, {"a": torch.zeros(2) * 1j}]
)
def test_only_plain_tensors_are_weights(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.bin")
    with pytest.raises(ValueError, match="not a dictionary of tensors"):
        read_weights(tmp_path / "a.bin")
