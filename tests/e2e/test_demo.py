"""`examples/demo.py`, which `make demo` runs, on a tiny model."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.contact_sheet import GAP

DEMO = Path(__file__).parents[2] / "examples/demo.py"
ROW, COLUMN = 256 + GAP, 176 + GAP


def test_the_demo_writes_one_sheet_and_prints_its_path(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "demo.png"
    demo = runpy.run_path(str(DEMO))["main"]
    demo(seed=1, poses=3, steps=1, model=str(model_folder), out=out)

    sheet = np.asarray(Image.open(out)).astype(float)
    rows = [sheet[-GAP - (3 - i) * ROW + GAP :][:256] for i in range(3)]
    source, pose, result, truth = ([row[:, GAP + c * COLUMN :][:, :176] for row in rows] for c in range(4))
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    assert np.array_equal(source[0], source[1])
    assert not np.array_equal(source[0], truth[0])
    assert not np.array_equal(truth[0], truth[1])
    assert all(drawing.mean() < 60 for drawing in pose)  # a skeleton on black
    assert all(picture.std() > 1 for picture in result)
