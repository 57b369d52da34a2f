"""Files that commands are run on."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cfld.poses.keypoints import Keypoints, save_keypoints


@pytest.fixture
def photo(tmp_path: Path, person: Image.Image) -> Path:
    person.save(tmp_path / "me.png")
    return tmp_path / "me.png"


@pytest.fixture
def pose_file(tmp_path: Path, poses: list[Keypoints]) -> Path:
    save_keypoints(poses[0], tmp_path / "pose.json")
    return tmp_path / "pose.json"
