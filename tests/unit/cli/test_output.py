"""Result files: their names, formats and settings."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cfld import __version__
from cfld.cli.options import PipelineOptions
from cfld.cli.output import check_output, save_image, save_images, settings_of
from cfld.config.schema import SamplingConfig

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]


@dataclass(frozen=True)
class Command:
    """A command of the usual groups."""

    source: Path = Path("me.png")
    out: Path = Path("out")
    batch: int = 8
    limit: int | None = None
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    pipeline: PipelineOptions = field(default_factory=lambda: PipelineOptions(device="cpu"))


def test_settings_are_what_determines_the_images() -> None:
    settings = settings_of(Command())
    expected = {"source": "me.png", "model": "mannequin", "dtype": "float32", "steps": 50, "seed": 0}
    assert {name: settings[name] for name in expected} == expected
    assert settings["version"] == __version__
    assert not {"out", "batch", "limit", "device", "sampling", "pipeline"} & settings.keys()
    assert json.loads(json.dumps(settings)) == settings


def test_outputs_are_checked(tmp_path: Path) -> None:
    check_output(tmp_path / "new.PNG", [tmp_path / "me.png"])
    (tmp_path / "folder.png").mkdir()
    for out, message in (("a.gif", "use one of .png, .jpg, .jpeg"), ("folder.png", "folder"), ("me.png", "an input")):
        with pytest.raises(ValueError, match=message):
            check_output(tmp_path / out, [tmp_path / "folder" / ".." / "me.png"])


def test_an_image_in_the_format_of_its_extension(tmp_path: Path) -> None:
    for name, kind in (("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.webp", "WEBP")):
        save_image(Image.new("RGB", (4, 3)), tmp_path / "new" / name)
        assert Image.open(tmp_path / "new" / name).format == kind


def test_several_images_are_an_endless_animation_with_its_settings(tmp_path: Path) -> None:
    save_images([Image.new("RGB", (8, 8), colour) for colour in COLOURS], tmp_path / "a.gif", {"seed": 3}, frame_ms=80)
    with Image.open(tmp_path / "a.gif") as animation:
        assert (animation.n_frames, animation.info["loop"], animation.info["duration"]) == (3, 0, 80)
    assert json.loads((tmp_path / "a.gif.json").read_text()) == {"seed": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gif", "a.gif.json"]


@pytest.mark.parametrize("size", [(31, 45), (32, 44)])
def test_videos_show_the_images_in_order(tmp_path: Path, size: tuple[int, int]) -> None:
    save_images([Image.new("RGB", size, colour) for colour in COLOURS], tmp_path / "v.mp4", {}, frame_ms=200)
    video = cv2.VideoCapture(str(tmp_path / "v.mp4"))
    for colour in COLOURS:
        found, frame = video.read()
        assert found
        np.testing.assert_allclose(frame[10, 10, ::-1], colour, atol=12)
