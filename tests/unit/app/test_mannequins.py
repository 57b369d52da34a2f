"""Mannequins by random seed, and their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cfld.app.mannequins import image_file, mannequin_image, mannequin_pose, pose_file
from cfld.inference.pose_reading import target_poses


def test_a_seed_gives_the_same_mannequin_and_the_commands_pose() -> None:
    assert mannequin_image(5).size == (176, 256)
    assert mannequin_image(5).tobytes() == mannequin_image(5).tobytes() != mannequin_image(6).tobytes()
    assert np.array_equal(mannequin_pose(7).yx, target_poses(["7"])["mannequin7"].yx)


def test_files_are_written_once(tmp_path: Path) -> None:
    file = image_file(tmp_path / "new", 5)
    assert Image.open(file).tobytes() == mannequin_image(5).tobytes()
    file.write_bytes(b"kept")
    assert image_file(tmp_path / "new", 5).read_bytes() == b"kept"
    assert Image.open(pose_file(tmp_path, 5)).size == (88, 128)
