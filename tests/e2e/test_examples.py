"""The scripts in `examples/` that documentation images and tables come from, on tiny models."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cfld import mannequin
from cfld.cli import main
from cfld.contact_sheet import GAP
from cfld.models.lora import LowRankUpdate
from cfld.models.student import Student, save_student
from cfld.pipeline import CFLDPipeline
from support.programs import chromium

EXAMPLES = Path(__file__).parents[2] / "examples"


pytestmark = pytest.mark.usefixtures("fresh_accelerator")


def script(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / name))


def train(out: Path, steps: int) -> None:
    options = ["--config.data.identities", "2", "--config.data.poses", "2", "--config.optim.decay-at", "1"]
    main(["train", "tiny", "--out", str(out), "--config.max-steps", str(steps), *options])


def test_learning_curves_are_those_of_the_whole_run_also_where_it_was_taken_up_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for steps in (2, 5):
        train(tmp_path / "again", steps)
    train(tmp_path / "once", 5)
    curves = script("learning_curves.py")
    again, once = (curves["scalars"](tmp_path / name, "loss") for name in ("again", "once"))
    assert list(again[0]) == list(once[0]) == [1, 2, 3, 4, 5]
    assert np.allclose(again[1], once[1], rtol=1e-4)
    out = tmp_path / "new" / "curves.png"
    curves["main"]((tmp_path / "again", tmp_path / "once"), out=out)
    with Image.open(out) as image:
        assert image.width > image.height
        assert np.asarray(image.convert("L")).std() > 5
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    with pytest.raises(ValueError, match="no log of accuracy"):
        curves["scalars"](tmp_path / "once", "accuracy")


def test_a_moving_mean_is_that_of_the_values_up_to_each() -> None:
    curves = script("learning_curves.py")
    values = np.arange(40.0)
    window = curves["WINDOW"]
    expected = [values[max(0, i + 1 - window) : i + 1].mean() for i in range(40)]
    assert np.allclose(curves["moving_mean"](values), expected)


def test_loss_by_noise_prints_both_halves_at_every_level(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script("loss_by_noise.py")["main"](model=str(model_folder), people=3, t=(60, 999), batch=4)
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["60", "999"]
    values = np.array([[float(value) for value in row[1:]] for row in rows])
    assert values.shape == (2, 2)
    assert ((values > 0) & (values < 10)).all()


def test_the_grid_is_sorted_by_psnr(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "grid.png"
    script("grid.py")["main"](people=6, each=2, steps=1, model=str(model_folder), out=out)
    scores, path = capsys.readouterr().out.splitlines()[-2:]
    values = [float(value) for value in scores.split(": ")[1].split(" mean")[0].split(", ")]
    assert values == sorted(values, reverse=True)
    assert path == str(out)
    with Image.open(out) as sheet:
        assert sheet.width == GAP + 12 * (176 + GAP)  # best, middling and worst, four images each


def test_a_stranger_on_the_same_joints_keeps_the_joints() -> None:
    joints_alone = script("joints_alone.py")
    person, stranger = (mannequin.sample_identity(seed) for seed in (1, 2))
    both = joints_alone["on_the_joints_of"](person, stranger)
    pose = mannequin.sample_body_pose(3)
    wanted, got = (mannequin.keypoints(who, pose).yx for who in (person, both))
    assert np.allclose(got, wanted, atol=1e-6, equal_nan=True)
    assert both.upper == stranger.upper


def test_joints_alone_of_a_stranger_find_nobody_in_particular(capsys: pytest.CaptureFixture[str]) -> None:
    script("joints_alone.py")["main"](identities=12, poses=2, rounds=2, size=(64, 44))
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [float(row[2]) for row in rows] == [0.083, 0.083]
    assert float(rows[1][1]) <= 0.3


@pytest.mark.parametrize(
    ("example", "options", "message"),
    [
        ("vae_by_seed.py", {"seeds": 0}, "--seeds must be at least 1, got 0"),
        ("joints_alone.py", {"poses": 0}, "--poses and --rounds must be at least 1, got 0 and 3"),
        ("joints_alone.py", {"rounds": 0}, "--poses and --rounds must be at least 1, got 4 and 0"),
        ("grid.py", {"people": 2, "each": 3}, "--each must be from 1 to the number of people, 2, got 3"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_in_a_line(example: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        script(example)["main"](**options)


def test_the_squeezing_costs_nothing_at_the_size_of_the_autoencoder(capsys: pytest.CaptureFixture[str]) -> None:
    script("vae_by_seed.py")["main"](seeds=2, identities=2, size=(128, 128))
    *seeds, mean = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in seeds] == ["1", "2"]
    assert min(float(row[2]) for row in seeds) > 100  # rounding alone
    through = [float(row[1]) for row in seeds]
    assert min(through) > 20
    assert float(mean[1]) == pytest.approx(sum(through) / 2, abs=0.01)


@pytest.mark.slow
def test_images_of_the_app_are_made_anew(model_folder: Path, tmp_path: Path) -> None:
    chromium()
    script("app_screenshots.py")["main"](model=str(model_folder), out=tmp_path)
    for file in (EXAMPLES.parent / "docs" / "app").glob("*.jpg"):
        with Image.open(file) as shown, Image.open(tmp_path / file.name) as made:
            assert shown.width == made.width == 1000
            assert made.height == pytest.approx(shown.height, rel=0.25)
            assert np.asarray(made).std() > 10


def test_a_student_stands_beside_its_teacher(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unet = CFLDPipeline.from_pretrained(model_folder).unet
    student = Student(steps=2, pose_guidance_scale=2.0, appearance_guidance_scale=2.0)
    save_student(tmp_path / "student", student, LowRankUpdate(unet, 2).lora_state(unet), teacher=str(model_folder))
    out = tmp_path / "new" / "student.png"
    models = {"teacher": str(model_folder), "student": str(tmp_path / "student")}
    script("student.py")["main"](**models, steps=(1, 2), people=2, out=out)
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    with Image.open(out) as sheet:
        assert sheet.width == GAP + 6 * (176 + GAP)  # source, pose, teacher, student twice, truth
