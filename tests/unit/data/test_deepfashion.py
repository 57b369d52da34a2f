"""DeepFashion: flat names, and the spellings of files and folders."""

from pathlib import Path

import pytest

from cfld.data.deepfashion import flat_name
from cfld.data.registry import detect_dataset, open_dataset
from support.data_tree import NAMES, save_image, write_lists


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (
            "img_highres/WOMEN/Blouses_Shirts/id_00003372/03_3_back.jpg",
            "fashionWOMENBlouses_Shirtsid0000337203_3back.jpg",
        ),
        ("MEN/Denim/id_00000080/01_7_additional.jpg", "fashionMENDenimid0000008001_7additional.jpg"),
        ("img_highres/KIDS/Denim/id_00000080/01_1_front.jpg", None),
        ("MEN/Denim/id_00000080/._01_1_front.jpg", None),
        ("Denim/id_00000080/01_1_front.jpg", None),
    ],
)
def test_flat_name(path: str, name: str | None) -> None:
    assert flat_name(Path(path)) == name


def test_both_spellings_and_the_authors_folders_are_read(tmp_path: Path) -> None:
    write_lists(tmp_path, spelling="fasion")
    for name in NAMES:
        save_image(tmp_path / "train_highres" / name)
    assert len(open_dataset("deepfashion", tmp_path, "train")) == 3
    assert detect_dataset(tmp_path) == "deepfashion"
