"""Jobs from images and from data sets: sources, names and noise seeds."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cfld.inference.jobs import dataset_jobs, image_jobs, pair_name
from cfld.mannequin.dataset import MannequinDataset
from cfld.poses.keypoints import Keypoints

SIZE = (64, 44)


def test_a_folder_means_its_images(people: Path, poses: list[Keypoints], tmp_path: Path) -> None:
    (people / "notes.txt").write_text("no image")
    (people / "._p0.png").write_bytes(b"what macOS leaves behind")
    jobs = image_jobs(people, {"a": poses[0]})
    assert [job.name for job in jobs] == ["p0_to_a", "p1_to_a", "p2_to_a"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no image in this folder"):
        image_jobs(tmp_path / "empty", {"a": poses[0]})


def test_an_unreadable_file_is_reported_at_once(poses: list[Keypoints], tmp_path: Path) -> None:
    (tmp_path / "me.png").write_text("not an image")
    with pytest.raises(ValueError, match=r"me\.png"):
        image_jobs(tmp_path / "me.png", {"a": poses[0]})


def test_a_data_set_gives_a_job_per_pair() -> None:
    dataset = MannequinDataset(identities=2, poses=2, split="test", size=SIZE)
    jobs = dataset_jobs(dataset)
    assert [job.name for job in jobs] == [pair_name(*pair) for pair in dataset.pairs]
    source, target = dataset.pairs[0]
    assert np.array_equal(np.asarray(jobs[0].read_source()), dataset.image(source).permute(1, 2, 0).numpy())
    assert np.array_equal(jobs[0].pose.yx, dataset.keypoints(target).yx)


def test_poses_without_joints_are_kept_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    class Unannotated(MannequinDataset):
        def keypoints(self, name: str) -> Keypoints:
            return replace(super().keypoints(name), yx=np.full((18, 2), -1, np.float32))

    dataset = Unannotated(identities=1, poses=2, split="test", size=SIZE)
    with caplog.at_level(logging.WARNING):
        assert len(dataset_jobs(dataset)) == len(dataset.pairs)
    assert f"{len(dataset.pairs)} target poses have no joint in their frame" in caplog.text


def test_a_pair_is_named_after_both() -> None:
    assert pair_name("a/me.jpg", "you.v2.png") == "me_to_you.v2"


def test_noise_depends_on_the_name_and_the_seed(people: Path, poses: list[Keypoints]) -> None:
    first, second, *_ = image_jobs(people, {"a": poses[0]})
    assert first.noise_seed(0) == replace(first, source="elsewhere").noise_seed(0)
    assert len({first.noise_seed(0), first.noise_seed(1), second.noise_seed(0)}) == 3
