from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cfld.data.folder import FolderDataset
from cfld.data.registry import open_dataset
from cfld.evaluation.evaluate import Folder, Settings, evaluate_images
from support.metrics import SIZE
from support.network import UNREACHABLE, proxies


@pytest.fixture(autouse=True)
def offline() -> Iterator[None]:
    with proxies(http=UNREACHABLE, https=UNREACHABLE):
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path / "cache", weights=tmp_path / "weights")


def folder(data: FolderDataset, out: Path, size: tuple[int, int]) -> Folder:
    """The true images at another size."""
    out.mkdir()
    for source, target in data.pairs:
        image = Image.open(data.path(target)).resize(size[::-1])
        image.save(out / f"{Path(source).stem}_to_{Path(target).stem}.png")
    return Folder(name="resized", path=out)


@pytest.mark.parametrize(("size", "compared"), [((96, 66), (96, 66)), ((96, 64), (96, 64)), ((96, 96), (256, 176))])
def test_images_are_compared_at_the_size_of_the_first_one_if_its_aspect_ratio_fits(
    size: tuple[int, int], compared: tuple[int, int], data: FolderDataset, settings: Settings, tmp_path: Path
) -> None:
    evaluation = evaluate_images(data.root, [folder(data, tmp_path / "images", size)], settings, tmp_path / "work")
    assert evaluation.size == compared
    assert [row.name for row in evaluation.rows] == ["resized", "ground truth"]
    assert not evaluation.problems


@pytest.mark.parametrize("size", [(96, 264), (66, 96)])
def test_strips_and_wide_images_are_refused_at_once(
    size: tuple[int, int], data: FolderDataset, settings: Settings, tmp_path: Path
) -> None:
    wide = folder(data, tmp_path / "images", size)
    with pytest.raises(ValueError, match=rf"images/.*png: the image is {size[0]}x{size[1]} and would be stretched"):
        evaluate_images(data.root, [wide], settings, tmp_path / "work")


def test_notes_name_what_limits_the_table(data: FolderDataset, settings: Settings, tmp_path: Path) -> None:
    notes = evaluate_images(data.root, [], replace(settings, size=SIZE), tmp_path / "work").notes
    assert [note.split(" is ")[0] for note in notes] == ["FID", "LPIPS", "SSIM's window of 51"]


def test_vae_row_and_size(data: FolderDataset, settings: Settings, model_folder: Path, tmp_path: Path) -> None:
    settings = replace(settings, vae=str(model_folder), ground_truth=False, size=(48, 33))
    evaluation = evaluate_images(data.root, [], settings, tmp_path / "work")
    assert [row.name for row in evaluation.rows] == ["VAE reconstructed"]
    assert {Image.open(path).size for path in (tmp_path / "work").iterdir()} == {(33, 48)}


def test_damaged_images_are_problems(data: FolderDataset, settings: Settings, tmp_path: Path) -> None:
    copy = open_dataset("mannequin", Path(shutil.copytree(data.root, tmp_path / "data")), "test")
    target = copy.pairs[0][1]
    copy.path(target).write_bytes(b"x")
    evaluation = evaluate_images(copy.root, [], settings, tmp_path / "work")
    assert [target in problem for problem in evaluation.problems] == [True]


def test_invalid_arguments(data: FolderDataset, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown protocol 'mine'; choose one of cfld, pidm"):
        evaluate_images(data.root, [], replace(settings, protocol="mine"), tmp_path)
    with pytest.raises(ValueError, match="nothing to score"):
        evaluate_images(data.root, [], replace(settings, ground_truth=False), tmp_path)
    with pytest.raises(ValueError, match="unknown identity feature 'faces'"):
        evaluate_images(data.root, [], replace(settings, identity="faces"), tmp_path)
