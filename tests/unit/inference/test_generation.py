"""Generation into a folder: file names, settings, resuming, and independence of batches."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import accelerate
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from PIL import Image

from cfld.config.schema import SamplingConfig
from cfld.inference.generation import check_folder, generate, model_digest, sampling_arguments
from cfld.inference.jobs import Job, image_jobs
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints

SAMPLING = SamplingConfig(steps=2, seed=3)
SETTINGS = {"steps": 2, "seed": 3}


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


def test_one_png_per_job_and_the_settings(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    files = generate(pipe, jobs, SAMPLING, tmp_path / "out", SETTINGS)
    assert [file.name for file in files] == [f"p{i}_to_{pose}.png" for i in range(3) for pose in "ab"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *(file.name for file in files),
        "config.json",
        "digests.jsonl",
    }
    assert json.loads((tmp_path / "out" / "config.json").read_text()) == SETTINGS
    found = pixels(files)
    assert {image.shape for image in found.values()} == {(64, 44, 3)}
    assert np.abs(found["p0_to_a.png"] - found["p0_to_b.png"]).max() > 3


def test_an_image_depends_on_its_pair_alone(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    """Not on its batch, its place, or on interruptions."""
    whole = pixels(generate(pipe, jobs, SAMPLING, tmp_path / "whole", SETTINGS, batch=4))
    single = generate(pipe, jobs[::-1], SAMPLING, tmp_path / "single", SETTINGS, batch=1)
    assert_same(pixels(single), whole)
    begun = generate(pipe, jobs[:3], SAMPLING, tmp_path / "resumed", SETTINGS, batch=2)
    begun[1].unlink()
    assert_same(pixels(generate(pipe, jobs, SAMPLING, tmp_path / "resumed", SETTINGS, batch=3)), whole)


def test_images_that_are_encoded_as_in_training_share_nothing_with_others(
    pipe: CFLDPipeline, poses: list[Keypoints], tmp_path: Path
) -> None:
    wide = Image.radial_gradient("L").convert("RGB").resize((120, 40))
    other = Job("wide", lambda: wide, poses[0], "other")
    pair = [other, replace(other, name="trained", as_in_training=True)]
    together = pixels(generate(pipe, pair, SAMPLING, tmp_path / "together", SETTINGS))
    alone = [pixels(generate(pipe, [job], SAMPLING, tmp_path / job.name, SETTINGS)) for job in pair]
    assert_same(together, alone[0] | alone[1])


def test_each_pair_and_each_seed_has_noise_of_its_own(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    twins = [jobs[0], replace(jobs[0], name="twin")]
    first, twin = pixels(generate(pipe, twins, SAMPLING, tmp_path / "out", SETTINGS)).values()
    (other,) = pixels(
        generate(pipe, jobs[:1], SamplingConfig(steps=2, seed=4), tmp_path / "other", {"seed": 4})
    ).values()
    assert np.abs(first - twin).max() > 10
    assert np.abs(first - other).max() > 10


def test_existing_images_are_not_generated_again(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    files = generate(pipe, jobs[:2], SAMPLING, tmp_path / "out", SETTINGS)
    times = [file.stat().st_mtime_ns for file in files]
    generated: list[int] = []
    with_hook = pipe.unet.register_forward_pre_hook(lambda _, args: generated.append(len(args[0])))
    try:
        assert generate(pipe, jobs[:2], SAMPLING, tmp_path / "out", SETTINGS) == files
    finally:
        with_hook.remove()
    assert generated == []
    assert [file.stat().st_mtime_ns for file in files] == times


Change = Callable[[Path, list[Job]], list[Job]]


def other_source(people: Path, jobs: list[Job]) -> list[Job]:
    """Under the same name, with the same size and date as the old one: the content alone tells."""
    file, image = people / "p0.png", Image.open(people / "p0.png")
    date = file.stat()
    Image.eval(image, lambda value: 255 - value).save(file)
    os.utime(file, ns=(date.st_atime_ns, date.st_mtime_ns))
    return jobs


def other_pose(people: Path, jobs: list[Job]) -> list[Job]:  # noqa: ARG001
    return [replace(jobs[0], pose=jobs[0].pose.mirrored()), *jobs[1:]]


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (other_source, {"p0_to_a.png": "source", "p0_to_b.png": "source"}),
        (other_pose, {"p0_to_a.png": "pose"}),
    ],
)
def test_what_has_changed_is_generated_again_and_nothing_else(
    pipe: CFLDPipeline,
    jobs: list[Job],
    people: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Change,
    again: dict[str, str],
) -> None:
    files = generate(pipe, jobs, SAMPLING, tmp_path / "out", SETTINGS)
    dates = {file.name: file.stat().st_mtime_ns for file in files}
    changed = change(people, jobs)
    resumed = generate(pipe, changed, SAMPLING, tmp_path / "out", SETTINGS)
    assert {file.name for file in resumed if file.stat().st_mtime_ns != dates[file.name]} == set(again)
    assert_same(pixels(resumed), pixels(generate(pipe, changed, SAMPLING, tmp_path / "fresh", SETTINGS)))
    (reason,) = set(again.values())
    assert f"images generated again: {len(again)} ({len(again)} {reason} changed)" in caplog.messages


def test_other_weights_or_settings_of_the_model_generate_all_again(
    make_pipe: Callable[..., CFLDPipeline], jobs: list[Job], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = make_pipe()
    changes: list[Callable[[], object]] = [
        lambda: next(pipe.unet.parameters()).data.view(-1)[:1].add_(1.0),
        lambda: pipe.vae.register_to_config(scaling_factor=0.5),
        lambda: setattr(pipe, "scheduler", DDIMScheduler.from_config(pipe.scheduler.config)),
    ]
    generate(pipe, jobs[:2], SAMPLING, tmp_path / "out", SETTINGS)
    for change in changes:
        change()
        caplog.clear()
        for _ in range(2):
            generate(pipe, jobs[:2], SAMPLING, tmp_path / "out", SETTINGS)
        assert caplog.messages.count("images generated again: 2 (2 model changed)") == 1


def test_the_digest_of_a_model_does_not_depend_on_where_its_weights_are(make_pipe: Callable[..., CFLDPipeline]) -> None:
    pipe, changed = make_pipe(), make_pipe()
    expected = model_digest(pipe)
    next(changed.unet.parameters()).data.view(-1)[:1].add_(1.0)
    for one in (pipe, changed):
        for part in (one.conditioner, one.unet, one.vae):  # what enable_sequential_cpu_offload does
            accelerate.cpu_offload(part, torch.device("cpu"), offload_buffers=len(part._parameters) > 0)
    assert model_digest(pipe) == expected != model_digest(changed)


DAMAGES: list[Callable[[bytes], bytes]] = [
    lambda content: content[:0],
    lambda content: content[: len(content) // 2],
    lambda content: content[:90] + bytes([content[90] ^ 1]) + content[91:],
]


@pytest.mark.parametrize("damage", DAMAGES, ids=["empty", "cut", "one bit"])
def test_an_image_that_is_not_whole_is_generated_again(
    pipe: CFLDPipeline,
    jobs: list[Job],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[bytes], bytes],
) -> None:
    first, second = generate(pipe, jobs[:2], SAMPLING, tmp_path / "out", SETTINGS)
    whole = pixels([first, second])
    second.write_bytes(damage(second.read_bytes()))
    assert_same(pixels(generate(pipe, jobs[:2], SAMPLING, tmp_path / "out", SETTINGS)), whole)
    assert "images generated again: 1 (1 damaged)" in caplog.messages


def test_images_exchanged_are_generated_again(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    first, second = generate(pipe, jobs[:2], SAMPLING, tmp_path / "out", SETTINGS)
    whole = pixels([first, second])
    first.write_bytes(second.read_bytes())
    assert_same(pixels(generate(pipe, jobs[:2], SAMPLING, tmp_path / "out", SETTINGS)), whole)


def test_an_image_that_was_edited_or_put_there_is_kept(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    first, second, third = generate(pipe, jobs[:3], SAMPLING, tmp_path / "out", SETTINGS)
    whole = pixels([third])
    Image.eval(Image.open(first), lambda value: 255 - value).save(first)
    Image.new("L", (3, 5)).save(second, format="JPEG")
    third.unlink()
    before = first.read_bytes(), second.read_bytes()
    with pytest.raises(ValueError, match=rf"2 of 3 images failed: {first}: was edited, .*; {second}: was edited"):
        generate(pipe, jobs[:3], SAMPLING, tmp_path / "out", SETTINGS)
    assert (first.read_bytes(), second.read_bytes()) == before
    assert_same(pixels([third]), whole)


def test_a_kill_between_a_record_and_its_image_makes_no_image_the_user_s(
    pipe: CFLDPipeline, jobs: list[Job], people: Path, tmp_path: Path
) -> None:
    (file,) = generate(pipe, jobs[:1], SAMPLING, tmp_path / "out", SETTINGS)
    old = file.read_bytes()
    other_source(people, jobs)
    generate(pipe, jobs[:1], SAMPLING, tmp_path / "out", SETTINGS)
    new = file.read_bytes()
    file.write_bytes(old)
    generate(pipe, jobs[:1], SAMPLING, tmp_path / "out", SETTINGS)
    assert file.read_bytes() == new != old


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
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["config.json", "digests.jsonl", files[0].name]


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_configuration_is_reported(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json"):
        generate(pipe, jobs, SAMPLING, tmp_path, SETTINGS)


def test_another_program_s_folder_is_left_alone(pipe: CFLDPipeline, jobs: list[Job], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    for out in (tmp_path / "out", tmp_path / "out" / "thesis.txt"):
        with pytest.raises(ValueError, match="was not written by cfld"):
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


def test_sources_that_cannot_be_read_leave_no_folder(
    pipe: CFLDPipeline, people: Path, poses: list[Keypoints], tmp_path: Path
) -> None:
    for file in people.iterdir():
        file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"3 of 3 images failed: .*p0\.png"):
        generate(pipe, image_jobs(people, {"a": poses[0]}), SAMPLING, tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()


def test_two_images_of_one_name_are_an_error(
    pipe: CFLDPipeline, people: Path, poses: list[Keypoints], tmp_path: Path
) -> None:
    Image.open(people / "p0.png").save(people / "p0.jpg")
    jobs = image_jobs(people, {"a": poses[0]})
    with pytest.raises(ValueError, match=r"more than once, for example p0_to_a\.png"):
        generate(pipe, jobs, SAMPLING, tmp_path / "out", SETTINGS)


def test_each_image_has_its_own_generator() -> None:
    arguments = sampling_arguments(SAMPLING, [1, 2])
    assert [generator.initial_seed() for generator in arguments["generator"]] == [1, 2]
    assert arguments["num_inference_steps"] == SAMPLING.steps


def test_a_new_or_empty_folder_is_accepted(tmp_path: Path) -> None:
    check_folder(tmp_path, SETTINGS)
    check_folder(tmp_path / "new", SETTINGS)
    assert not (tmp_path / "new").exists()
