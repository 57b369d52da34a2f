"""The folder of a student, and the pipeline that loads it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline, LCMScheduler
from PIL import Image

from cfld.cli import main
from cfld.models.lora import LowRankUpdate
from cfld.models.student import SETTINGS, WEIGHTS, Student, find_student, load_student, save_student, teacher_of
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints, save_keypoints

STUDENT = Student(steps=2, pose_guidance_scale=2.0, appearance_guidance_scale=1.5)


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """A student of the saved tiny model, whose weights differ from the teacher's."""
    unet = CFLDPipeline.from_pretrained(model_folder).unet
    torch.manual_seed(0)
    update = LowRankUpdate(unet, 2)
    with torch.no_grad():
        for up in update.up.values():
            up.normal_(0, 0.1)
    save_student(tmp_path / "student", STUDENT, update.lora_state(unet), teacher=str(model_folder))
    return tmp_path / "student"


def generate(pipe: CFLDPipeline, person: Image.Image, pose: Keypoints, **options: object) -> torch.Tensor:
    pipe.set_progress_bar_config(disable=True)
    images: torch.Tensor = pipe(
        person, pose, generator=torch.Generator().manual_seed(0), output_type="pt", **options
    ).images
    return images


def test_what_is_saved_is_loaded(folder: Path, model_folder: Path) -> None:
    student, lora = load_student(folder)
    assert student == find_student(folder) == STUDENT
    assert teacher_of(folder) == str(model_folder)
    assert {tensor.dtype for tensor in lora.values()} == {torch.float16}
    assert find_student(model_folder) is None
    assert teacher_of(model_folder) is None


def test_a_student_samples_one_branch_in_its_steps(
    folder: Path, person: Image.Image, poses: list[Keypoints], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = CFLDPipeline.from_pretrained(folder)
    assert isinstance(pipe.scheduler, LCMScheduler)
    batches = []
    forward = pipe.unet.forward
    monkeypatch.setattr(
        pipe.unet, "forward", lambda z, *args, **kw: (batches.append(len(z)), forward(z, *args, **kw))[1]
    )
    generate(pipe, person, poses[0], appearance_guidance_scale=1.5)
    assert batches == [1, 1]
    generate(pipe, person, poses[0], appearance_guidance_scale=1.5, num_inference_steps=4)
    assert batches[2:] == [1] * 4


def test_other_guidance_has_no_effect_and_a_line_says_so(
    folder: Path, person: Image.Image, poses: list[Keypoints], caplog: pytest.LogCaptureFixture
) -> None:
    pipe = CFLDPipeline.from_pretrained(folder)
    own = generate(pipe, person, poses[0], appearance_guidance_scale=1.5)
    assert caplog.messages == []
    with caplog.at_level(logging.WARNING):
        other = generate(pipe, person, poses[0], pose_guidance_scale=7.0)
    assert torch.equal(own, other)
    assert caplog.messages == ["this model contains guidance of 2 and 1.5; other weights have no effect"]


def test_named_recipes_stand_for_the_students_steps_and_own_ones_for_themselves(folder: Path) -> None:
    pipe = CFLDPipeline.from_pretrained(folder)
    for name in ("exact", "fast", "fastest"):
        recipe = pipe.use_recipe(name).recipe
        assert (recipe.steps, recipe.scheduler, recipe.feature_cache) == (2, None, 1)
        assert isinstance(pipe.scheduler, LCMScheduler)
    assert pipe.use_recipe("fast", steps=4).recipe.steps == 4
    assert pipe.use_recipe("exact", scheduler="ddim", steps=10).recipe.scheduler == "ddim"


def test_a_saved_student_is_one_when_loaded_and_when_its_parts_are_taken(
    folder: Path, tmp_path: Path, person: Image.Image, poses: list[Keypoints]
) -> None:
    pipe = CFLDPipeline.from_pretrained(folder)
    expected = generate(pipe, person, poses[0])
    pipe.save_pretrained(tmp_path / "saved")
    assert find_student(tmp_path / "saved") == STUDENT
    stock = DiffusionPipeline.from_pretrained(str(tmp_path / "saved"), trust_remote_code=True)
    for other in (CFLDPipeline.from_pretrained(tmp_path / "saved"), CFLDPipeline(**pipe.components), stock):
        assert other.student == STUDENT
        assert torch.equal(generate(other, person, poses[0]), expected)
    with pytest.raises(ValueError, match="has a student"):
        pipe.load_student(folder)


def test_the_command_line_keeps_the_students_steps_among_the_settings(
    folder: Path, person: Image.Image, poses: list[Keypoints], tmp_path: Path
) -> None:
    person.save(tmp_path / "person.png")
    save_keypoints(poses[0], tmp_path / "pose.json")
    command = ["generate", "--model", str(folder), "--source", str(tmp_path / "person.png")]
    main([*command, "--target-pose", str(tmp_path / "pose.json"), "--out", str(tmp_path / "out")])
    settings = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (settings["steps"], settings["scheduler"]) == (2, None)
    main([*command, "--target-pose", str(tmp_path / "pose.json"), "--out", str(tmp_path / "four"), "--steps", "4"])
    assert json.loads((tmp_path / "four" / "config.json").read_text())["steps"] == 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 2}, "expected numbers appearance_guidance_scale, pose_guidance_scale, steps"),
        ({"steps": "2", "pose_guidance_scale": 2, "appearance_guidance_scale": 2}, "expected numbers"),
        ({"steps": 0, "pose_guidance_scale": 2, "appearance_guidance_scale": 2}, "steps must be"),
        ([2], "student.json"),
    ],
)
def test_bad_settings_are_one_line(folder: Path, values: object, message: str) -> None:
    (folder / SETTINGS).write_text(json.dumps(values))
    with pytest.raises(ValueError, match=message):
        load_student(folder)


def test_bad_folders_are_one_line(folder: Path, tmp_path: Path, make_pipe: Callable[..., CFLDPipeline]) -> None:
    with pytest.raises(ValueError, match=r"no student\.json; expected a student"):
        make_pipe().load_student(tmp_path)
    values = json.loads((folder / SETTINGS).read_text())
    (folder / SETTINGS).write_text(json.dumps({**values, "teacher": str(folder)}))
    with pytest.raises(ValueError, match="is itself a student"):
        CFLDPipeline.from_pretrained(folder)
    (folder / SETTINGS).write_text(json.dumps(values))
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-10])
    with pytest.raises(ValueError, match=WEIGHTS):
        CFLDPipeline.from_pretrained(folder)
