"""Names of images in re-identification, read and written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cfld.data.reidentification import ReidName, generated_name, parse_name, read_reid_folder
from support.reid_folder import DUKE, MARKET, write_reid

READERS = (r"([-\d]+)_c(\d)", r"^(\d{4})_c(\d)(s\d_\d{6}_\d{2}|_f\d{7})\.jpg$")
"""Patterns by which programs of the field find identity and camera: a loose and a strict one."""


@pytest.mark.parametrize(
    ("name", "identity", "camera"),
    [
        ("0002_c1s1_000451_03.jpg", 2, 1),
        ("1501_c6s4_002427_00.jpg", 1501, 6),
        ("0001_c2_f0046182.jpg", 1, 2),
        ("7140_c8_f0356567.png", 7140, 8),
    ],
)
def test_identity_and_camera(name: str, identity: int, camera: int) -> None:
    assert parse_name(name) == ReidName(identity, camera)
    assert parse_name(name).is_person


@pytest.mark.parametrize("name", ["-1_c1s1_000401_03.jpg", "0000_c1s1_000151_01.jpg"])
def test_junk_and_distractors_are_nobody(name: str) -> None:
    assert not parse_name(name).is_person


@pytest.mark.parametrize("name", ["0002.jpg", "me.png", "fashionWOMENDressesid0000000101_1front.jpg", "2_c1s1_1_1.jpg"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: no identity and camera"):
        parse_name(name)


@pytest.mark.parametrize("source", ["0002_c1s1_000451_03.jpg", "0001_c2_f0046182.jpg"])
def test_generated_names_are_of_the_same_form(source: str) -> None:
    names = [generated_name(source, number) for number in (0, 7, 99_999)]
    assert len({*names, source}) == 4
    for name in names:
        parsed = parse_name(name)
        assert parsed.generated
        for pattern in READERS:
            found = re.search(pattern, name)
            assert found
            assert (int(found[1]), int(found[2])) == (parsed.identity, parsed.camera)
        assert (parsed.identity, parsed.camera) == (parse_name(source).identity, parse_name(source).camera)


@pytest.mark.parametrize("names", [MARKET, DUKE])
def test_folders(names: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    write_reid(tmp_path, names)
    (tmp_path / "query/Thumbs.db").touch()
    for folder, files in names.items():
        assert [file.name for file in read_reid_folder(tmp_path / folder)] == sorted(files)


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no image in this folder"):
        read_reid_folder(tmp_path)
    with pytest.raises(ValueError, match="no such folder"):
        read_reid_folder(tmp_path / "query")
