"""Pairs and images from a data set, and from folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cfld.cli import parse
from cfld.poses.keypoints import Keypoints, save_keypoints
from cfld.study.definition import Study, load_study, open_study
from support.study import blot, create_arguments, save_folders


def create(root: Path, *options: str) -> Study:
    parse([*create_arguments(root), "--out", str(root / "study"), *options]).run()
    return load_study(root / "study")


def test_pairs_of_a_data_set(tmp_path: Path) -> None:
    people = tmp_path / "people"
    arguments = ["data", "mannequin", "--out", people, "--identities", "3", "--poses", "3", "--size", "64", "44"]
    parse([str(a) for a in arguments]).run()
    from cfld.data.registry import open_dataset

    for source, target in open_dataset("mannequin", people, "test").pairs:
        for method in "ab":
            (tmp_path / method).mkdir(exist_ok=True)
            blot(1, (64, 44)).save(tmp_path / method / f"{Path(source).stem}_to_{Path(target).stem}.png")
    methods = [f"--method={m}={tmp_path / m}" for m in "ab"]
    arguments = ["study", "create", "--data", people, *methods, "--images", "2", "--comparisons", "1"]
    parse([str(a) for a in [*arguments, "--out", tmp_path / "study"]]).run()
    study = load_study(tmp_path / "study")
    assert study.size == (256, 176)
    assert study.methods == ("a", "b")
    assert study.pairs[0].pose_picture is not None


def test_keypoint_files_are_drawn_and_poses_may_be_missing(tmp_path: Path) -> None:
    save_folders(tmp_path)
    for file in (tmp_path / "poses").iterdir():
        file.unlink()
        save_keypoints(Keypoints([[8 * i, 9 * i] for i in range(18)]), file.with_suffix(".json"))
    study = create(tmp_path, "--images", "1", "--comparisons", "1")
    pose = open_study(tmp_path / "study").image(study.pairs[0].pose_picture or "")
    assert Image.open(pose).getextrema() != ((0, 0),) * 3
    arguments = [a for a in create_arguments(tmp_path) if not a.startswith("--poses")]
    parse([*arguments, "--images", "1", "--comparisons", "1", "--out", str(tmp_path / "none")]).run()
    assert all(pair.pose_picture is None for pair in load_study(tmp_path / "none").pairs)


def test_stems_must_differ(tmp_path: Path) -> None:
    save_folders(tmp_path)
    blot(1).save(tmp_path / "real/t1.png")
    with pytest.raises(ValueError, match="differ in their suffix only"):
        create(tmp_path)
