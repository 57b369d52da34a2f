"""The engine: progress at each step, previews, cancellation, one request after the other, any scheduler."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.app.engine import Cancelled, Engine, Output, Progress
from cfld.app.mannequins import mannequin_image, mannequin_pose
from cfld.app.settings import Attention, Interpolation, PoseTransfer, ServedModel, Settings, StyleTransfer
from cfld.config.schema import SamplingConfig
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import save_keypoints
from cfld.poses.segmenters import open_segmenter
from support.onnx_models import constant

SOME = SamplingConfig(steps=4)


@pytest.fixture(scope="module")
def engine(model_folder: Path) -> Engine:
    return Engine(CFLDPipeline.from_pretrained(model_folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mannequin_image(5).save(tmp_path / "a.png")
    mannequin_image(6).save(tmp_path / "b.png")
    save_keypoints(mannequin_pose(7), tmp_path / "pose.json")
    mask = np.zeros((256, 176), dtype=np.uint8)
    mask[80:140, 50:120] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


def generated(engine: Engine, settings: Settings, folder: Path) -> tuple[list[Progress], Output]:
    *steps, output = engine.generate(settings, folder)
    assert isinstance(output, Output)
    return [step for step in steps if isinstance(step, Progress)], output


def test_every_step_is_reported_and_some_have_a_preview(engine: Engine, folder: Path) -> None:
    steps, result = generated(engine, PoseTransfer(source="a.png", sampling=SamplingConfig(steps=20)), folder)
    assert [(step.step, step.total) for step in steps] == [(number, 20) for number in range(1, 21)]
    previews = [step.preview for step in steps if step.preview]
    assert 2 <= len(previews) <= 10
    assert {preview.size for preview in previews} == {result.image.size}


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "heun", "pndm", "unipc"])
def test_any_scheduler_and_back_to_the_models_own(engine: Engine, folder: Path, scheduler: str) -> None:
    own = generated(engine, PoseTransfer(source="a.png", sampling=SOME), folder)[1].image
    steps, other = generated(
        engine, PoseTransfer(source="a.png", sampling=SamplingConfig(steps=4, scheduler=scheduler)), folder
    )
    assert [step.step for step in steps] == list(range(1, steps[-1].total + 1))
    assert (np.asarray(other.image) != np.asarray(own)).any()
    again = generated(engine, PoseTransfer(source="a.png", sampling=SOME), folder)[1].image
    assert (np.asarray(again) == np.asarray(own)).all()


def test_retargeting_is_shown_side_by_side(engine: Engine, folder: Path) -> None:
    plain = generated(engine, PoseTransfer(source="a.png", sampling=SOME), folder)[1]
    fitted = generated(engine, PoseTransfer(source="a.png", fit="crop", retarget=True, sampling=SOME), folder)[1]
    assert plain.retargeting is None
    assert fitted.retargeting is not None


def test_a_plain_background(engine: Engine, folder: Path) -> None:
    mask = np.ones((1, 1, 320, 320), np.float32)
    mask[..., :20] = 0
    file = constant(folder / "u2net.onnx", (320, 320), mask)
    plain = Engine(engine._pipe, open_segmenter=lambda: open_segmenter(file))
    settings = PoseTransfer(source="a.png", background="plain", sampling=SOME)
    kept = generated(engine, replace(settings, background=None), folder)[1].image
    assert (np.asarray(generated(plain, settings, folder)[1].image) != np.asarray(kept)).any()
    assert "--background plain" in settings.command()


def test_the_other_tabs(engine: Engine, folder: Path) -> None:
    reference = Image.open(folder / "a.png")
    edited = generated(
        engine, StyleTransfer(reference="a.png", mask="mask.png", source="b.png", sampling=SOME), folder
    )[1]
    kept = np.asarray(Image.open(folder / "mask.png")) == 0
    assert (np.asarray(edited.image)[kept] == np.asarray(reference)[kept]).all()
    steps, strip = generated(engine, Interpolation(sources=("a.png", "b.png"), frames=3, sampling=SOME), folder)
    assert steps[-1].total == 12
    assert strip.image.width > strip.image.height
    assert generated(engine, Attention(sources=("a.png",)), folder)[1].image.width > 100


@pytest.mark.parametrize("end", ["cancel_all", "close"])
def test_sampling_really_stops(engine: Engine, folder: Path, end: str) -> None:
    sampled = counted(engine)
    generator = engine.generate(PoseTransfer(source="a.png", sampling=SamplingConfig(steps=250)), folder)
    next(generator)
    if end == "close":
        generator.close()
    else:
        engine.cancel_all()
        with pytest.raises(Cancelled):
            list(generator)
    generated(engine, PoseTransfer(source="a.png", sampling=SOME), folder)  # waits until the first one has stopped
    assert sampled() < 200


def counted(engine: Engine) -> Callable[[], int]:
    """Counts the model's forward passes from now on."""
    calls = []
    engine._pipe.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    return lambda: len(calls)


def test_requests_of_several_threads_run_one_after_the_other(engine: Engine, folder: Path) -> None:
    alone = generated(engine, PoseTransfer(source="a.png", sampling=SOME), folder)[1].image
    results: list[Image.Image] = []

    def generate() -> None:
        results.append(generated(engine, PoseTransfer(source="a.png", sampling=SOME), folder)[1].image)

    threads = [threading.Thread(target=generate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all((np.asarray(image) == np.asarray(alone)).all() for image in results)


def test_invalid_files_are_value_errors(engine: Engine, folder: Path) -> None:
    Image.new("RGB", (30, 40)).save(folder / "nobody.png")
    with pytest.raises(ValueError, match=r"nobody\.png: nobody found"):
        engine.read_pose(folder / "nobody.png")
    with pytest.raises(ValueError, match="nobody"):
        generated(engine, PoseTransfer(source="nobody.png", retarget=True, sampling=SOME), folder)
    Image.new("L", (176, 256)).save(folder / "mask.png")
    with pytest.raises(ValueError, match="mask is empty"):
        generated(engine, StyleTransfer(reference="a.png", mask="mask.png", source="b.png", sampling=SOME), folder)


def test_a_source_that_the_bundled_model_does_not_know_is_told(engine: Engine) -> None:
    noise = Image.effect_noise((176, 256), 80)
    assert engine.unsuitable(mannequin_image(5)) == ""
    assert "does not look like a mannequin" in engine.unsuitable(noise)
    other = Engine(engine._pipe, served=ServedModel(model="models/cfld"))
    assert other.unsuitable(noise) == ""
