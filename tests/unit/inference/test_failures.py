"""One bad item of a batch does not lose the rest."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cfld.config.schema import SamplingConfig
from cfld.inference.failures import LISTED, Failures
from cfld.inference.generation import generate
from cfld.inference.jobs import image_jobs
from cfld.inference.pose_reading import PoseReader
from cfld.inference.preprocessing import Preprocessing, preprocess_jobs
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints
from cfld.poses.people import person_of


def test_files_and_long_names_fail_alone_and_a_full_disk_stops_the_batch() -> None:
    failures = Failures()
    with failures.item("a"):
        raise ValueError("a.png: is damaged")
    with failures.item("b"):
        raise OSError(errno.ENAMETOOLONG, "File name too long")
    with pytest.raises(OSError, match="space"), failures.item("c"):
        raise OSError(errno.ENOSPC, "No space left")
    with pytest.raises(TypeError), failures.item("c"):
        raise TypeError
    with pytest.raises(ValueError, match=r"\A2 of 5 images failed: a.png: is damaged; b: File name too long\Z"):
        failures.check(5)


def test_one_item_has_its_own_message_and_many_are_cut() -> None:
    failures = Failures()
    failures.check(1)
    failures.messages = {"a": "a.png: is damaged"}
    with pytest.raises(ValueError, match=r"\Aa.png: is damaged\Z"):
        failures.check(1)
    failures.messages = {str(number): str(number) for number in range(LISTED + 3)}
    with pytest.raises(ValueError, match="; and 3 more"):
        failures.check(30)


def test_the_other_images_of_a_batch_are_generated(
    pipe: CFLDPipeline, people: Path, poses: list[Keypoints], tmp_path: Path
) -> None:
    (people / "p1.png").write_bytes((people / "p1.png").read_bytes()[:60])
    (people / "p0.png").rename(people / f"{'x' * 250}.png")
    out = tmp_path / "out"
    jobs = image_jobs(people, {"a": poses[0]})
    with pytest.raises(ValueError, match=r"\A2 of 3 images failed: .*p1\.png: is damaged.*too long"):
        generate(pipe, jobs, SamplingConfig(steps=2), out, {}, batch=3)
    assert sorted(path.name for path in out.glob("*.png")) == ["p2_to_a.png"]
    failures = Failures()
    assert generate(pipe, jobs, SamplingConfig(steps=2), out, {}, failures=failures) == [out / "p2_to_a.png"]
    assert len(failures.messages) == 2


def test_the_other_sources_are_preprocessed(people: Path, poses: list[Keypoints]) -> None:
    (people / "p1.png").write_bytes(b"no image")
    jobs, failures = image_jobs(people, {"a": poses[0], "b": poses[1]}), Failures()
    preprocessing = Preprocessing(retarget=True, reader=PoseReader(lambda: lambda _: [person_of(poses[0])]))
    assert [one.job.name for one in preprocess_jobs(jobs, preprocessing, failures)] == [
        job.name for job in jobs if not job.name.startswith("p1")
    ]
    assert sorted(failures.messages) == ["p1_to_a", "p1_to_b"]
    with pytest.raises(ValueError, match="2 of 6 images failed"):
        preprocess_jobs(jobs, preprocessing)
