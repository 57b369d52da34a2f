"""docs/tutorial.md does what it says: part A as it stands, part B on small files in the place of the downloads."""

from __future__ import annotations

import gzip
import json
import math
import re
import runpy
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from cfld import mannequin
from cfld.build import build_vae
from cfld.config.schema import VAEConfig
from cfld.pipeline import CFLDPipeline
from cfld.poses.detectors import files
from cfld.poses.formats import load_keypoints
from cfld.poses.orders import COCO_JOINTS
from cfld.poses.skeleton import JOINTS
from support.onnx_models import colours, constant, dot_finder

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/parity/golden"
TEXT = (ROOT / "docs/tutorial.md").read_text()
TUTORIAL = runpy.run_path(str(ROOT / "examples/run_tutorial.py"))
QUICK = ("--steps", "2", "--device", "cpu")
HEIGHT, WIDTH = 480, 360
"""Of the images that stand for photographs."""


@pytest.fixture
def downloads(tmp_path: Path, sd15_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that part B is read in: every file under its own name and in its own format, small."""
    monkeypatch.chdir(tmp_path)
    released = tmp_path / "downloads/cfld"
    shutil.copytree(GOLDEN / "tiny/unet", released / "unet")
    shutil.copy(GOLDEN / "tiny/config.json", released)
    for file, shapes in keys(GOLDEN / "tiny/checkpoint_keys.json.gz").items():
        torch.save({key: torch.randn(shape).mul(0.05) for key, (shape, _) in shapes.items()}, released / file)
    for part in ("vae", "scheduler"):
        shutil.copytree(sd15_folder / part, tmp_path / "downloads/sd15" / part)
    hub = tmp_path / "hub/checkpoints"
    hub.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    dot_finder(hub / files.DWPOSE.name, (256, 192), joints=133)
    side = 128 * WIDTH / HEIGHT
    constant(hub / files.YOLOX.name, (128, 128), np.array([[[2, 2, side - 2, 126, 0.9]]], np.float32))
    for seed, name in ((3, "photo.jpg"), (10, "other.jpg")):
        dots(seed).save(tmp_path / name, quality=100, subsampling=0)
    return tmp_path


def keys(path: Path) -> dict[str, dict[str, tuple[list[int], str]]]:
    return json.loads(gzip.decompress(path.read_bytes()))


def dots(seed: int) -> Image.Image:
    """A mannequin's joints but the face's, as dots that the small network finds."""
    pose = mannequin.keypoints(mannequin.sample_identity(seed), mannequin.sample_body_pose(seed), (HEIGHT, WIDTH))
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for name, colour in zip(COCO_JOINTS, colours(17).tolist(), strict=True):
        y, x = pose.yx[JOINTS.index(name)].tolist()
        if name.endswith(("shoulder", "elbow", "wrist", "hip", "knee", "ankle")):
            cv2.circle(image, (round(x), round(y)), 15, colour, -1)
    return Image.fromarray(image)


def test_part_a_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = TUTORIAL["run_part"]("A", QUICK)
    assert {command.split()[1] for command in commands} == {"pose", "generate", "animate"}
    for name, image in TUTORIAL["shown"]().items():
        with Image.open(ROOT / f"docs/tutorial/{name}.jpg") as committed:
            assert committed.size == image.size


def test_the_images_are_those_that_are_shown() -> None:
    shown = set(re.findall(r"\]\(tutorial/(\w+)\.jpg\)", TEXT))
    committed = list((ROOT / "docs/tutorial").iterdir())
    assert {path.stem for path in committed} == shown
    assert all(path.suffix == ".jpg" and path.stat().st_size <= 150_000 for path in committed)


def test_part_b_on_small_files(downloads: Path) -> None:
    commands = TUTORIAL["run_part"]("B", QUICK)
    assert {command.split()[1] for command in commands} == {"convert", "pose", "generate", "animate"}
    assert CFLDPipeline.from_pretrained(downloads / "models/cfld").config.output_size == (256, 176)
    assert load_keypoints("target.json").visible.sum() >= 12
    for name in ("me/me_to_target", "in_one_go/photo_to_other"):
        with Image.open(f"outputs/{name}.png") as result:
            assert result.size == (176, 256)
    with Image.open("walk.gif") as walk:
        assert walk.n_frames == 16


def megabytes(row: str) -> int:
    """What the table of downloads says."""
    (size,) = re.findall(rf"^\| [^|]*\| [^|]*`{row}` \| ([\d,]+) MB", TEXT, re.MULTILINE)
    return int(size.replace(",", ""))


def test_sizes_of_the_released_files() -> None:
    for file, shapes in keys(GOLDEN / "official_checkpoint_keys.json.gz").items():
        kinds = {"torch.float32": 4, "torch.int64": 8}
        assert megabytes(file) == round(sum(math.prod(shape) * kinds[kind] for shape, kind in shapes.values()) / 1e6)
    with torch.device("meta"):
        vae = build_vae(VAEConfig())
    assert megabytes("diffusion_pytorch_model.safetensors") == round(sum(p.numel() for p in vae.parameters()) * 4 / 1e6)
    for file in (files.DWPOSE, files.YOLOX):
        size, _, licence = file.about.partition(", licence ")
        assert size == f"{megabytes(file.name)} MB"
        assert licence in TEXT
