"""`examples/demo.py`, which `make demo` runs, on a tiny model."""

from __future__ import annotations

import runpy
from itertools import combinations
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
    demo(seed=1, people=2, poses=3, steps=1, model=str(model_folder), out=out)

    sheet = np.asarray(Image.open(out)).astype(float)
    rows = [sheet[-GAP - (2 - i) * ROW + GAP :][:256] for i in range(2)]
    assert sheet.shape[1] == GAP + 10 * COLUMN
    cells = [[row[:, GAP + c * COLUMN :][:, :176] for c in range(10)] for row in rows]
    source = [row[0] for row in cells]
    pose, result, truth = ([cell for row in cells for cell in row[c::3]] for c in (1, 2, 3))
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    images = [*source, *truth]  # two people, four views each
    assert all(not np.array_equal(one, other) for one, other in combinations(images, 2))
    assert all(drawing.mean() < 60 for drawing in pose)  # a skeleton on black
    assert all(image.std() > 1 for image in result)
