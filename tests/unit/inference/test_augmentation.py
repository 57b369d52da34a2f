"""Augmentation of re-identification data sets."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.config.schema import SamplingConfig
from cfld.data.lists import read_annotations
from cfld.data.market1501 import LAYOUT
from cfld.data.registry import detect_dataset, open_dataset
from cfld.data.reidentification import parse_name, read_reid_folder
from cfld.inference.augmentation import Augmentation, augment
from cfld.pipeline import CFLDPipeline
from cfld.readers.text import read_table
from support.reid_folder import DUKE, MARKET, SIZE, write_reid

SAMPLING = SamplingConfig(steps=1, seed=3)
SETTINGS = {"seed": 3}
TRAIN = "bounding_box_train"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_layout_and_the_manifest(pipe: CFLDPipeline, tmp_path: Path) -> None:
    data, out = write_reid(tmp_path / "data", MARKET), tmp_path / "out"
    made = augment(pipe, Augmentation(data, 3), out, SAMPLING, SETTINGS)
    for folder in ("query", "bounding_box_test"):
        assert content(out / folder) == content(data / folder)
    generated = names(out / TRAIN) - names(data / TRAIN)
    assert (
        generated
        == {one.name for one in made}
        == {
            *("0002_c1s1_900000_00.jpg", "0002_c2s1_900001_00.jpg", "0002_c1s1_900002_00.jpg"),
            *("0007_c3s3_900000_00.jpg", "0007_c3s3_900001_00.jpg", "0007_c3s3_900002_00.jpg"),
        }
    )
    assert {Image.open(out / TRAIN / name).size for name in generated} == {SIZE[::-1]}
    rows = read_table(out / "manifest.csv", ("image", "source", "pose", "seed", "similarity", "kept"))
    assert {row["image"] for row in rows} == generated
    for row in rows:
        image, source, pose = (parse_name(row[column]) for column in ("image", "source", "pose"))
        assert (image.identity, image.camera) == (source.identity, source.camera)
        assert pose.identity != image.identity
        assert int(row["seed"]) == next(one for one in made if one.name == row["image"]).job.noise_seed(3)


def test_the_projects_own_reader_takes_it(pipe: CFLDPipeline, tmp_path: Path) -> None:
    data, out = write_reid(tmp_path / "data", MARKET), tmp_path / "out"
    augment(pipe, Augmentation(data, 1), out, SAMPLING, SETTINGS)
    assert detect_dataset(out) == "market1501"
    dataset = open_dataset("market1501", out, "train")
    assert {*dataset.names} == {name for name in names(out / TRAIN) if not name.startswith(LAYOUT.junk)}
    assert all(dataset.keypoints(name).visible.any() for name in dataset.names)


def test_duke_names_and_random_poses(pipe: CFLDPipeline, tmp_path: Path) -> None:
    data, out = write_reid(tmp_path / "data", DUKE, annotated=False), tmp_path / "out"
    made = augment(pipe, Augmentation(data, 2, "seeds"), out, SAMPLING, SETTINGS)
    assert names(out / TRAIN) - names(data / TRAIN) == {
        *("0001_c2_f9000000.jpg", "0001_c2_f9000001.jpg", "0005_c4_f9000000.jpg", "0005_c4_f9000001.jpg")
    }
    assert len({one.pose for one in made}) == 4
    assert {*read_annotations(out / "market-annotation-train.csv", LAYOUT.frame)} == {one.name for one in made}


def test_more_images_leave_the_others_and_fewer_remove_them(pipe: CFLDPipeline, tmp_path: Path) -> None:
    data, out = write_reid(tmp_path / "data", MARKET), tmp_path / "out"
    augment(pipe, Augmentation(data, 1), out, SAMPLING, SETTINGS)
    before = content(out / TRAIN)
    times = {path: path.stat().st_mtime_ns for path in (out / "generated").glob("*.png")}
    augment(pipe, Augmentation(data, 2), out, SAMPLING, SETTINGS)
    after = content(out / TRAIN)
    assert after.items() > before.items()
    assert times == {path: path.stat().st_mtime_ns for path in times}
    augment(pipe, Augmentation(data, 1), out, SAMPLING, SETTINGS)
    assert content(out / TRAIN) == before


def test_the_filter_keeps_those_whose_person_is_found_again(pipe: CFLDPipeline, tmp_path: Path) -> None:
    data, out = write_reid(tmp_path / "data", MARKET), tmp_path / "out"
    made = augment(pipe, Augmentation(data, 4, min_similarity=-1.0), out, SAMPLING, SETTINGS)
    similarities = [one.similarity for one in made if one.kept]
    assert all(one.similarity is not None and -1 <= one.similarity <= 1 + 1e-6 for one in made)
    threshold = float(np.median(similarities))
    kept = [
        one
        for one in augment(pipe, Augmentation(data, 4, min_similarity=threshold), out, SAMPLING, SETTINGS)
        if one.kept
    ]
    assert 0 < len(kept) < len(made)
    assert {one.name for one in kept} == {one.name for one in made if one.kept and one.similarity >= threshold}
    assert names(out / TRAIN) - names(data / TRAIN) == {one.name for one in kept}
    rows = read_table(out / "manifest.csv", ("image", "kept"))
    assert {row["image"] for row in rows if row["kept"] == "yes"} == {one.name for one in kept}


def test_nobody_is_not_augmented(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        what = Augmentation(write_reid(tmp_path, MARKET), 1)
    assert {*what.people} == {2, 7}
    assert "2 images of the identities -1 and 0000 are not augmented" in caplog.text


def test_a_folder_that_was_prepared_for_pose_transfer(tmp_path: Path) -> None:
    write_reid(tmp_path, MARKET)
    (tmp_path / TRAIN).rename(tmp_path / "train")
    assert {*Augmentation(tmp_path, 1).people} == {2, 7}


@pytest.mark.parametrize(
    ("train", "annotated", "message"),
    [
        (("-1_c1s1_000401_03.jpg",), True, "all training images are of the identities -1 and 0000"),
        (("0002_c1s1_900000_00.jpg",), True, "is a generated image; augment the data set that it is made from"),
        (
            ("0002_c1s1_000451_03.jpg",),
            False,
            "no annotations of poses; name them with --annotations, or choose --poses",
        ),
        (("me.jpg",), False, "no identity and camera in this name"),
    ],
)
def test_data_that_cannot_be_augmented(train: tuple[str, ...], annotated: bool, message: str, tmp_path: Path) -> None:
    write_reid(tmp_path, {TRAIN: (*train, *train)[:2]}, annotated)
    with pytest.raises(ValueError, match=message):
        Augmentation(tmp_path, 1)


def test_damaged_sources_are_reported_and_the_others_written(pipe: CFLDPipeline, tmp_path: Path) -> None:
    data, out = write_reid(tmp_path / "data", MARKET), tmp_path / "out"
    (data / TRAIN / "0007_c3s3_077419_03.jpg").write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"1 of 2 images failed: .*0007_c3s3_077419_03\.jpg"):
        augment(pipe, Augmentation(data, 1), out, SAMPLING, SETTINGS)
    assert "0002_c1s1_900000_00.jpg" in names(out / TRAIN)
    assert [file.name for file, name in read_reid_folder(out / TRAIN).items() if name.generated] == [
        "0002_c1s1_900000_00.jpg"
    ]
