"""Images cut out of strips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.evaluation.filename_patterns import PRESETS, match_names
from cfld.evaluation.strips import cut_strips

FRAME = (256, 176)


@pytest.mark.parametrize(("size", "columns"), [((64, 44), 3), ((64, 64), 4), ((128, 88), 2)])
@pytest.mark.parametrize("column", [1, 2, -1])
def test_the_column_is_cut_exactly(size: tuple[int, int], columns: int, column: int, tmp_path: Path) -> None:
    parts = np.random.default_rng(0).integers(0, 256, (columns, *size, 3), dtype=np.uint8)
    Image.fromarray(np.concatenate(list(parts), axis=1)).save(tmp_path / "a.png")
    pair = ("s.jpg", "t.jpg")
    files, damaged = cut_strips({pair: tmp_path / "a.png"}, column, FRAME, tmp_path / "cut")
    np.testing.assert_array_equal(np.asarray(Image.open(files[pair])), parts[column - 1 if column > 0 else column])
    assert damaged == []


def test_what_is_no_strip_is_refused_and_damaged_ones_are_named(tmp_path: Path) -> None:
    Image.new("RGB", (88, 64)).save(tmp_path / "two.png")
    Image.new("RGB", (44, 64)).save(tmp_path / "one.png")
    for name, column in (("two.png", 3), ("one.png", 1)):
        with pytest.raises(ValueError, match=f"{name}: .* is no strip .* with a column {column}"):
            cut_strips({("a", "b"): tmp_path / name}, column, FRAME, tmp_path / name[:3])
    (tmp_path / "text.png").write_text("no image")
    files = {("a", "b"): tmp_path / "two.png", ("c", "d"): tmp_path / "text.png"}
    cut, damaged = cut_strips(files, 1, FRAME, tmp_path / "cut")
    assert [*cut] == [("a", "b")]
    assert "text.png" in damaged[0]


@pytest.mark.parametrize("name", PRESETS)
def test_the_names_of_methods_are_patterns(name: str, tmp_path: Path) -> None:
    text = PRESETS[name].format(source="s", target="t", source_file="s.jpg", target_file="t.jpg")
    Image.new("RGB", (4, 4)).save(tmp_path / text)
    assert match_names(tmp_path, [("s.jpg", "t.jpg")], name) == {("s.jpg", "t.jpg"): tmp_path / text}
