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
from cfld.cli import parse
from cfld.cli.options import PipelineOptions
from cfld.cli.output import save_image, save_images, settings_of
from cfld.config.recipes import RECIPES
from cfld.config.schema import SamplingConfig
from support.disk import largest_file

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


def test_settings_hold_the_recipe_with_what_changes_it() -> None:
    arguments = ("generate", "--source", "a.png", "--target-pose", "3", "--out", "o", "--recipe", "fast")
    settings = settings_of(parse([*arguments, "--guidance-interval", "0.1", "0.9", "--dtype", "bfloat16"]))
    fast = RECIPES["fast"]
    expected = {"recipe": "fast", "steps": fast.steps, "scheduler": fast.scheduler, "guidance_interval": [0.1, 0.9]}
    assert {name: settings[name] for name in expected} == expected
    assert (settings["feature_cache"], settings["dtype"]) == (fast.feature_cache, "bfloat16")


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
@pytest.mark.parametrize("frame_ms", [1000 / 12, 200, 1000 / 29.97])
def test_videos_show_the_images_in_order(tmp_path: Path, size: tuple[int, int], frame_ms: float) -> None:
    save_images([Image.new("RGB", size, colour) for colour in COLOURS], tmp_path / "v.mp4", {}, frame_ms=frame_ms)
    video = cv2.VideoCapture(str(tmp_path / "v.mp4"))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(1000 / frame_ms, rel=1e-3)
    for colour in COLOURS:
        found, frame = video.read()
        assert found
        np.testing.assert_allclose(frame[10, 10, ::-1], colour, atol=12)
    assert not video.read()[0]


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.webp", "a.mp4"])
def test_a_full_disk_changes_neither_the_images_nor_their_settings(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (8, 64, 64, 3), dtype=np.uint8)
    images = [Image.fromarray(pixels) for pixels in noise]
    save_images(images[:1], tmp_path / name, {"seed": 1})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for limit in (0, 1, 48, 1000, 4096, 8000):
        with pytest.raises(OSError, match=rf"File too large: .*/{name}"), largest_file(limit):
            save_images(images[: 1 if name == "a.png" else 8], tmp_path / name, {"seed": 2})
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
