"""The engine: progress at every step, previews, stopping, one drawing after the other, any scheduler; and masks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.app.engine import Drawn, Engine, Step, Stopped, mannequin_pose, random_figure
from cfld.app.masks import painted_mask
from cfld.app.settings import Attention, Interpolation, PoseTransfer, Settings, StyleTransfer
from cfld.config.schema import SamplingConfig
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import save_keypoints

SOME = SamplingConfig(steps=4)


@pytest.fixture(scope="module")
def engine(model_folder: Path) -> Engine:
    return Engine(CFLDPipeline.from_pretrained(model_folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random_figure(5).save(tmp_path / "a.png")
    random_figure(6).save(tmp_path / "b.png")
    save_keypoints(mannequin_pose(7), tmp_path / "pose.json")
    mask = np.zeros((256, 176), dtype=np.uint8)
    mask[80:140, 50:120] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


def drawn(engine: Engine, settings: Settings, folder: Path) -> tuple[list[Step], Drawn]:
    drawing, steps = engine.draw(settings, folder, threading.Event()), []
    while True:
        try:
            steps.append(next(drawing))
        except StopIteration as end:
            return steps, end.value


def test_every_step_is_told_and_some_show_the_image(engine: Engine, folder: Path) -> None:
    steps, result = drawn(engine, PoseTransfer(source="a.png", sampling=SamplingConfig(steps=20)), folder)
    assert [(step.done, step.of) for step in steps] == [(number, 20) for number in range(1, 21)]
    previews = [step.preview for step in steps if step.preview]
    assert 2 <= len(previews) <= 10
    assert {preview.size for preview in previews} == {result.image.size}


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "heun", "pndm", "unipc"])
def test_any_scheduler_and_back_to_the_models_own(engine: Engine, folder: Path, scheduler: str) -> None:
    own = drawn(engine, PoseTransfer(source="a.png", sampling=SOME), folder)[1].image
    steps, other = drawn(
        engine, PoseTransfer(source="a.png", sampling=SamplingConfig(steps=4, scheduler=scheduler)), folder
    )
    assert [step.done for step in steps] == list(range(1, steps[-1].of + 1))
    assert (np.asarray(other.image) != np.asarray(own)).any()
    again = drawn(engine, PoseTransfer(source="a.png", sampling=SOME), folder)[1].image
    assert (np.asarray(again) == np.asarray(own)).all()


def test_retargeting_is_shown_side_by_side(engine: Engine, folder: Path) -> None:
    plain = drawn(engine, PoseTransfer(source="a.png", sampling=SOME), folder)[1]
    fitted = drawn(engine, PoseTransfer(source="a.png", fit="crop", retarget=True, sampling=SOME), folder)[1]
    assert plain.retargeting is None
    assert fitted.retargeting is not None


def test_the_other_tabs(engine: Engine, folder: Path) -> None:
    reference = Image.open(folder / "a.png")
    edited = drawn(engine, StyleTransfer(reference="a.png", mask="mask.png", source="b.png", sampling=SOME), folder)[1]
    kept = np.asarray(Image.open(folder / "mask.png")) == 0
    assert (np.asarray(edited.image)[kept] == np.asarray(reference)[kept]).all()
    steps, strip = drawn(engine, Interpolation(sources=("a.png", "b.png"), frames=3, sampling=SOME), folder)
    assert steps[-1].of == 12
    assert strip.image.width > strip.image.height
    assert drawn(engine, Attention(sources=("a.png",)), folder)[1].image.width > 100


@pytest.mark.parametrize("end", ["stop", "close"])
def test_sampling_really_stops(engine: Engine, folder: Path, end: str) -> None:
    stop, sampled = threading.Event(), counted(engine)
    drawing = engine.draw(PoseTransfer(source="a.png", sampling=SamplingConfig(steps=250)), folder, stop)
    next(drawing)
    if end == "close":
        drawing.close()  # type: ignore[attr-defined]
    else:
        stop.set()
        with pytest.raises(Stopped):
            list(drawing)
    drawn(engine, PoseTransfer(source="a.png", sampling=SOME), folder)  # waits its turn
    assert sampled() < 200


def counted(engine: Engine) -> Callable[[], int]:
    """Counts the model's forward passes from now on."""
    calls = []
    engine._pipe.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    return lambda: len(calls)


def test_drawings_of_several_threads_come_one_after_the_other(engine: Engine, folder: Path) -> None:
    alone = drawn(engine, PoseTransfer(source="a.png", sampling=SOME), folder)[1].image
    results: list[Image.Image] = []

    def draw() -> None:
        results.append(drawn(engine, PoseTransfer(source="a.png", sampling=SOME), folder)[1].image)

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all((np.asarray(image) == np.asarray(alone)).all() for image in results)


def test_what_is_wrong_is_a_value_error(engine: Engine, folder: Path) -> None:
    Image.new("RGB", (30, 40)).save(folder / "nobody.png")
    with pytest.raises(ValueError, match=r"nobody\.png: nobody found"):
        engine.read_pose(folder / "nobody.png")
    with pytest.raises(ValueError, match="nobody"):
        drawn(engine, PoseTransfer(source="nobody.png", retarget=True, sampling=SOME), folder)
    Image.new("L", (176, 256)).save(folder / "mask.png")
    with pytest.raises(ValueError, match="mask is empty"):
        drawn(engine, StyleTransfer(reference="a.png", mask="mask.png", source="b.png", sampling=SOME), folder)


def layers() -> Iterator[Image.Image]:
    brushed = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    brushed.paste((200, 0, 0, 255), (0, 0, 2, 4))
    yield brushed
    stored = Image.new("RGBA", (4, 4), (0, 0, 0, 255))
    stored.paste((255, 255, 255, 255), (0, 0, 2, 4))
    yield stored


@pytest.mark.parametrize("layer", layers(), ids=["brushed", "stored"])
def test_masks_are_white_where_something_is_painted(layer: Image.Image) -> None:
    mask = np.asarray(painted_mask([layer], (40, 80)))
    assert mask.shape == (80, 40)
    assert set(np.unique(mask)) == {0, 255}
    assert (mask[:, :18] == 255).all()
    assert (mask[:, 22:] == 0).all()


def test_an_empty_mask_is_refused() -> None:
    for empty in ([], [Image.new("RGBA", (4, 4))]):
        with pytest.raises(ValueError, match="nothing is painted"):
            painted_mask(empty, (4, 4))
