"""Three source images in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def people(tmp_path: Path, person: Image.Image) -> Path:
    folder = tmp_path / "people"
    folder.mkdir()
    for i in range(3):
        person.rotate(90 * i, expand=True).save(folder / f"p{i}.png")
    return folder
