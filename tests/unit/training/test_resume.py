"""A run is resumed from just what it was begun with, or refused in one line with nothing changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from cfld.config.schema import TrainConfig
from cfld.convert import save_model
from cfld.digests import Record
from cfld.mannequin.dataset import write_mannequin
from cfld.training.loop import train
from cfld.training.setup import initial_components


def content(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.fixture
def begun(config: TrainConfig, tmp_path: Path) -> TrainConfig:
    """A run of two steps in `tmp_path/run`, on a data set and a model on disk."""
    write_mannequin(tmp_path / "data", identities=3, poses=2, size=(64, 44))
    save_model(initial_components(config), tmp_path / "start", config.model.output_size)
    data = replace(config.data, root=tmp_path / "data")
    config = replace(config, data=data, init_from=str(tmp_path / "start"))
    train(config, tmp_path / "run")
    return config


def remove_a_pair(folder: Path) -> None:
    pairs = folder / "data/fashion-resize-pairs-train.csv"
    pairs.write_text("\n".join(pairs.read_text().splitlines()[:-1]) + "\n")


def add_a_pair(folder: Path) -> None:
    pairs = folder / "data/fashion-resize-pairs-train.csv"
    pairs.write_text(pairs.read_text() + pairs.read_text().splitlines()[1] + "\n")


def change_an_image(folder: Path) -> None:
    """The dates stay."""
    file = sorted((folder / "data/train").iterdir())[1]
    date = file.stat()
    Image.open(file).rotate(180).save(file)
    os.utime(file, ns=(date.st_atime_ns, date.st_mtime_ns))


def change_a_pose(folder: Path) -> None:
    file = folder / "data/fashion-resize-annotation-train.csv"
    header, first, *rows = file.read_text().splitlines()
    name, y, x = first.split(":")
    moved = json.dumps([value + 1 for value in json.loads(y)])
    file.write_text("\n".join([header, ":".join([name, moved, x]), *rows]) + "\n")


def change_initial_weights(folder: Path) -> None:
    """Those that train: the frozen ones are the same."""
    file = folder / "start/conditioner/diffusion_pytorch_model.safetensors"
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove_a_pair, "other training samples; restore"),
        (add_a_pair, "other training samples; restore"),
        (change_an_image, "other content of the training images or poses; restore"),
        (change_a_pose, "other content of the training images or poses; restore"),
        (change_initial_weights, "other initial weights; restore"),
    ],
)
def test_another_start_is_refused(
    begun: TrainConfig, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    change(tmp_path)
    before = content(tmp_path / "run")
    with pytest.raises(ValueError, match=rf"step-00000002 was saved with {message}") as error:
        train(replace(begun, max_steps=3), tmp_path / "run")
    assert "\n" not in str(error.value)
    assert content(tmp_path / "run") == before


def test_fewer_steps_than_are_done_change_nothing(begun: TrainConfig, tmp_path: Path) -> None:
    before = content(tmp_path / "run")
    with pytest.raises(ValueError, match=r"run: 2 steps are done, more than the 1 asked for; nothing was changed"):
        train(replace(begun, max_steps=1), tmp_path / "run")
    with pytest.raises(ValueError, match=r"2 steps are done, more than the 1 asked for"):
        train(replace(begun, max_steps=None, epochs=0.5), tmp_path / "run")
    assert content(tmp_path / "run") == before
    assert train(begun, tmp_path / "run").step == 2


def test_a_checkpoint_that_cannot_be_checked_is_refused(begun: TrainConfig, tmp_path: Path) -> None:
    state = tmp_path / "run/checkpoints/step-00000002/state.json"
    values = json.loads(state.read_text())
    values["facts"] = {"processes": 1, "frozen": "ab"}
    state.write_text(json.dumps(values))
    Record(state.parent).add(state, {})
    with pytest.raises(ValueError, match="cannot be checked for other frozen weights, other initial weights, other"):
        train(begun, tmp_path / "run")


def test_latents_damaged_while_training_are_one_line(begun: TrainConfig, tmp_path: Path) -> None:
    """Also where a data worker reads them."""
    run = tmp_path / "run"
    (moments,) = run.glob("latents/*/moments.float16")
    whole = moments.read_bytes()
    watched = torch.nn.modules.module.register_module_forward_pre_hook(
        lambda *_: moments.write_bytes(bytes(len(whole))) and None
    )
    workers = replace(begun, data=replace(begun.data, workers=1), max_steps=50)
    try:
        with pytest.raises(ValueError, match=r"moments\.float16: the latents of .* are damaged; repeat") as error:
            train(workers, run)
    finally:
        watched.remove()
    assert "\n" not in str(error.value)
    assert train(replace(begun, max_steps=4), run).step == 4
    assert moments.read_bytes() == whole
