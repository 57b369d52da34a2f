from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.config.schema import SamplingConfig
from cfld.inference.generation import Job, generate, image_jobs, pair_name, target_poses
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints, save_keypoints

SAMPLING = SamplingConfig(steps=2, seed=3)
SETTINGS = {"steps": 2, "seed": 3}


@pytest.fixture
def people(tmp_path: Path, person: Image.Image) -> Path:
    folder = tmp_path / "people"
    folder.mkdir()
    for i in range(3):
        person.rotate(90 * i, expand=True).save(folder / f"p{i}.png")
    return folder


@pytest.fixture
def jobs(people: Path, poses: list[Keypoints]) -> list[Job]:
    """Three sources in two poses."""
    return image_jobs(people, {"a": poses[0], "b": poses[1]})


def pixels(files: Sequence[Path]) -> dict[str, np.ndarray]:
    return {file.name: np.asarray(Image.open(file)).astype(int) for file in files}


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    """To one grey level: the rounding of a number may fall either way."""
    assert a.keys() == b.keys()
    assert all(np.abs(a[name] - b[name]).max() <= 1 for name in a)


def test_a_png_a_pair_and_the_settings_beside_them(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    files = generate(pipe, jobs, SAMPLING, tmp_path / "out", SETTINGS)
    assert [file.name for file in files] == [f"p{i}_to_{pose}.png" for i in range(3) for pose in "ab"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*(file.name for file in files), "config.json"}
    assert json.loads((tmp_path / "out" / "config.json").read_text()) == SETTINGS
    found = pixels(files)
    assert {image.shape for image in found.values()} == {(64, 44, 3)}
    assert np.abs(found["p0_to_a.png"] - found["p0_to_b.png"]).max() > 3


def test_a_image_depends_on_its_pair_alone(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    """Not on its batch, its place, or on interruptions."""
    whole = pixels(generate(pipe, jobs, SAMPLING, tmp_path / "whole", SETTINGS, batch=4))
    single = generate(pipe, jobs[::-1], SAMPLING, tmp_path / "single", SETTINGS, batch=1)
    assert_same(pixels(single), whole)
    begun = generate(pipe, jobs[:3], SAMPLING, tmp_path / "resumed", SETTINGS, batch=2)
    begun[1].unlink()
    assert_same(pixels(generate(pipe, jobs, SAMPLING, tmp_path / "resumed", SETTINGS, batch=3)), whole)


def test_each_pair_and_each_seed_has_noise_of_its_own(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    twins = [jobs[0], replace(jobs[0], name="twin")]
    first, twin = pixels(generate(pipe, twins, SAMPLING, tmp_path / "out", SETTINGS)).values()
    (other,) = pixels(
        generate(pipe, jobs[:1], SamplingConfig(steps=2, seed=4), tmp_path / "other", {"seed": 4})
    ).values()
    assert np.abs(first - twin).max() > 10
    assert np.abs(first - other).max() > 10


def test_what_is_there_is_not_drawn_again(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    files = generate(pipe, jobs[:2], SAMPLING, tmp_path / "out", SETTINGS)
    times = [file.stat().st_mtime_ns for file in files]
    drawn: list[int] = []
    with_hook = pipe.unet.register_forward_pre_hook(lambda _, args: drawn.append(len(args[0])))
    try:
        assert generate(pipe, jobs[:2], SAMPLING, tmp_path / "out", SETTINGS) == files
    finally:
        with_hook.remove()
    assert drawn == []
    assert [file.stat().st_mtime_ns for file in files] == times


def test_each_source_and_each_pose_is_encoded_once(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    sources: list[int] = []
    maps: list[int] = []
    hooks = [
        pipe.conditioner.source_encoder.register_forward_pre_hook(lambda _, args: sources.append(len(args[0]))),
        pipe.conditioner.pose_adapter.register_forward_pre_hook(lambda _, args: maps.append(len(args[0]))),
    ]
    try:
        generate(pipe, jobs, SAMPLING, tmp_path / "out", SETTINGS, batch=2)
    finally:
        for hook in hooks:
            hook.remove()
    assert sources == [1, 1, 1]
    assert maps == [1, 1]


def test_images_of_other_settings_are_left_alone(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    files = generate(pipe, jobs[:1], SAMPLING, tmp_path / "out", SETTINGS)
    before = files[0].read_bytes()
    with pytest.raises(ValueError, match=r"other settings \(seed, skip\)"):
        generate(pipe, jobs, SAMPLING, tmp_path / "out", {"steps": 2, "seed": 4, "skip": True})
    assert files[0].read_bytes() == before
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_configuration_is_told(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json"):
        generate(pipe, jobs, SAMPLING, tmp_path, SETTINGS)


def test_a_folder_that_is_not_ours_is_left_alone(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    for out in (tmp_path / "out", tmp_path / "out" / "thesis.txt"):
        with pytest.raises(ValueError, match="not ours"):
            generate(pipe, jobs, SAMPLING, out, SETTINGS)


@pytest.mark.parametrize("sampling", [SamplingConfig(steps=0), SamplingConfig(pose_guidance_scale=float("nan"))])
def test_bad_numbers_leave_no_folder(
    pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path, sampling: SamplingConfig
) -> None:
    with pytest.raises(ValueError, match="must be"):
        generate(pipe, jobs, sampling, tmp_path / "out", SETTINGS)
    with pytest.raises(ValueError, match="batch"):
        generate(pipe, jobs, SAMPLING, tmp_path / "out", SETTINGS, batch=0)
    assert not (tmp_path / "out").exists()


def test_a_source_that_cannot_be_read_leaves_no_folder(
    pipe: CFLDPipeline, people: Path, poses: list[Keypoints], tmp_path: Path
) -> None:
    (people / "p0.png").write_bytes((people / "p0.png").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"p0\.png"):
        generate(pipe, image_jobs(people, {"a": poses[0]}), SAMPLING, tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()


def test_two_images_of_one_name_are_told(
    pipe: CFLDPipeline, people: Path, poses: list[Keypoints], tmp_path: Path
) -> None:
    Image.open(people / "p0.png").save(people / "p0.jpg")
    jobs = image_jobs(people, {"a": poses[0]})
    with pytest.raises(ValueError, match=r"more than once, for example p0_to_a\.png"):
        generate(pipe, jobs, SAMPLING, tmp_path / "out", SETTINGS)


def test_a_folder_means_its_images(people: Path, poses: list[Keypoints], tmp_path: Path) -> None:
    (people / "notes.txt").write_text("no image")
    (people / "._p0.png").write_bytes(b"what macOS leaves behind")
    jobs = image_jobs(people, {"a": poses[0]})
    assert [job.name for job in jobs] == ["p0_to_a", "p1_to_a", "p2_to_a"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no image in this folder"):
        image_jobs(tmp_path / "empty", {"a": poses[0]})


def test_target_poses_by_file_row_and_number(poses: list[Keypoints], tmp_path: Path) -> None:
    save_keypoints(poses[0], tmp_path / "walk.v2.json")
    y, x = poses[1].to_annotation()
    (tmp_path / "rows.csv").write_text(f"name:keypoints_y:keypoints_x\nsomeone.jpg: {y}: {x}\n")
    found = target_poses([str(tmp_path / "walk.v2.json"), "someone.jpg", "7"], tmp_path / "rows.csv", (256, 176))
    assert list(found) == ["walk.v2", "someone", "mannequin7"]
    np.testing.assert_allclose(found["walk.v2"].yx, poses[0].yx, atol=0.01)
    np.testing.assert_array_equal(found["someone"].yx, np.round(poses[1].yx))
    assert found["mannequin7"].visible.any()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nobody.jpg", "no --annotations"),
        ("none.json", "not a readable"),
        ("-3", "no such file"),
        ("", "not a readable"),
    ],
)
def test_target_poses_that_are_none_are_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        target_poses([text])


def test_target_poses_must_differ_and_have_joints(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mannequin3"):
        target_poses(["3", "3"])
    save_keypoints(Keypoints(np.full((18, 2), -1)), tmp_path / "nobody.json")
    with pytest.raises(ValueError, match="all 18 joints are missing"):
        target_poses([str(tmp_path / "nobody.json")])


def test_a_pair_is_named_after_both() -> None:
    assert pair_name("a/me.jpg", "you.v2.png") == "me_to_you.v2"
