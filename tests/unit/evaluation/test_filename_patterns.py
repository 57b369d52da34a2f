from __future__ import annotations

from pathlib import Path

import pytest

from cfld.evaluation.filename_patterns import NameMismatchError, match_names

PAIRS = [("a.jpg", "b.jpg"), ("b.jpg", "a.jpg"), ("a.jpg", "c.png")]


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("{source}_to_{target}.png", ["a_to_b.png", "b_to_a.png", "a_to_c.png"]),
        ("{source}_2_{target}_vis.png", ["a_2_b_vis.png", "b_2_a_vis.png", "a_2_c_vis.png"]),
        (
            "{source_file}___{target_file}_vis.jpg",
            ["a.jpg___b.jpg_vis.jpg", "b.jpg___a.jpg_vis.jpg", "a.jpg___c.png_vis.jpg"],
        ),
        ("{index:05d}.png", ["00000.png", "00001.png", "00002.png"]),
        ("{source}/{target}.png", ["a/b.png", "b/a.png", "a/c.png"]),
    ],
)
def test_patterns(pattern: str, names: list[str], tmp_path: Path) -> None:
    found = match_names(fill(tmp_path, *names), PAIRS, pattern)
    assert list(found) == PAIRS
    assert [str(path.relative_to(tmp_path)) for path in found.values()] == names


def test_duplicate_pairs_count_once(tmp_path: Path) -> None:
    fill(tmp_path, "a_to_b.png")
    assert match_names(tmp_path, [PAIRS[0], PAIRS[0]]) == {PAIRS[0]: tmp_path / "a_to_b.png"}


def test_all_mismatched_names_are_listed(tmp_path: Path) -> None:
    pairs = [("s.jpg", f"t{i}.jpg") for i in range(300)]
    fill(tmp_path, "s_to_t7.png", "s-to-t8.png", "x.jpg", "notes.txt")
    with pytest.raises(NameMismatchError, match=r"299 images .* are missing.*2 images match no pair") as caught:
        match_names(tmp_path, pairs)
    missing = [f"s_to_t{i}.png" for i in range(300) if i != 7]
    assert caught.value.missing == tuple(missing)
    assert caught.value.unmatched == ("s-to-t8.png", "x.jpg")
    assert all(f" {name}" in str(caught.value) for name in [*missing, "s-to-t8.png", "x.jpg"])
    assert "notes.txt" not in str(caught.value)


def test_unmatched_images_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    match_names(fill(tmp_path, "a_to_b.png", "sheet.png"), PAIRS[:1])
    assert "1 images match no pair, for example sheet.png" in caplog.text


@pytest.mark.parametrize(
    "pattern", ["{name}.png", "{}.png", "{0}.png", "{source", "{source.parent}.png", "{source:d}.png"]
)
def test_an_invalid_pattern(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is not a file name with the placeholders \{source\}, \{target\}"):
        match_names(tmp_path, PAIRS, pattern)


def test_one_file_for_several_pairs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"several pairs the same file: a\.png"):
        match_names(tmp_path, PAIRS, "{source}.png")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such folder"):
        match_names(tmp_path / "nothing", PAIRS)
