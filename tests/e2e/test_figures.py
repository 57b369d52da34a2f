"""`cfld figures` on a tiny model, and the masks that mannequins know of themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.cli import main
from cfld.config.schema import SamplingConfig
from cfld.contact_sheet import GAP
from cfld.pipeline import CFLDPipeline
from cfld.reproduction import figures

NAMES = ("figure3", "figure5", "figure6a", "figure6b", "figure7")


def test_one_command_makes_them_all(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "figures"
    main(["figures", "--model", str(model_folder), "--steps", "1", "--seed", "3", "--device", "cpu", "--out", str(out)])
    files = [out / f"{name}.jpg" for name in NAMES]
    assert capsys.readouterr().out.split() == [str(file) for file in files]
    assert {path.name for path in out.iterdir()} == {*(file.name for file in files), "config.json"}
    for file in files:
        assert file.stat().st_size <= 150_000
        assert np.asarray(Image.open(file)).std() > 10


def test_a_negative_seed_is_told(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["figures", "--model", str(model_folder), "--seed", "-1", "--out", str(tmp_path / "x")])
    assert stopped.value.code == 2
    assert "must not be negative, got -1" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_another_seed_is_other_people() -> None:
    one, again, two = (np.asarray(figures._people(1, 2, seed)[0][0].image) for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, two)


def test_the_interpolation_ends_in_plain_generation(pipe: CFLDPipeline) -> None:
    sampling = SamplingConfig(steps=1)
    sheet = np.asarray(figures.style_interpolation(pipe, sampling, frames=3))
    (first, target), (second, _), *_ = figures._people(8, 2, 0)
    height, width = pipe.config.output_size
    top = sheet.shape[0] - 4 * (height + GAP)
    cells = [sheet[top : top + height, GAP + i * (width + GAP) :][:, :width] for i in range(5)]
    assert np.array_equal(cells[1], np.asarray(figures._draw(pipe, sampling, first, target)))
    assert np.array_equal(cells[3], np.asarray(figures._draw(pipe, sampling, second, target)))


@pytest.mark.parametrize("seed", range(4))
def test_masks_cover_the_upper_garment_alone(seed: int) -> None:
    """Around the chest, and neither hair nor feet nor backdrop."""
    (view, _), *_ = figures._people(1, 2, seed)
    mask = np.asarray(figures.garment_mask(view)) > 0
    assert 0.02 < mask.mean() < 0.3
    joints = view.pose.yx[view.pose.visible]
    chest = view.pose.yx[[1, 8, 11]].mean(axis=0)
    y, x = np.argwhere(mask).mean(axis=0)
    assert abs(x - chest[1]) < 25
    assert joints[:, 0].min() < y < joints[:, 0].max()
    assert not mask[:, 0].any()
    assert not mask[-10:].any()


def test_small_images_are_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 600, 3), dtype=np.uint8)
    figures.save_small(Image.fromarray(noise), tmp_path / "x.jpg")
    assert (tmp_path / "x.jpg").stat().st_size <= figures.MAX_BYTES
