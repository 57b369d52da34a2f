"""From the published folders to the layout that the readers read."""

from pathlib import Path

import pytest

from cfld.data import deepfashion, market1501, preparation
from cfld.data.deepfashion import DeepFashion, flat_name
from cfld.data.lists import write_annotations, write_pairs
from cfld.data.market1501 import Market1501
from cfld.poses.keypoints import Keypoints
from support.data_tree import NAMES, save_image, write_lists


def publish(folder: Path) -> None:
    """`img_highres` with the images of the lists, and one more."""
    for person in ("WOMEN/Dresses/id_00000001", "MEN/Denim/id_00000002"):
        for view in ("1_front", "2_side", "3_back"):
            save_image(folder / person / f"01_{view}.jpg")
    save_image(folder / "WOMEN/Skirts/id_00000009/01_1_front.jpg")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    publish(tmp_path / "img_highres")
    write_lists(tmp_path / "lists", "train")
    write_lists(tmp_path / "lists", "test", spelling="fasion")
    return tmp_path


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


def test_deepfashion_is_prepared_and_read(raw: Path) -> None:
    report = deepfashion.prepare(raw / "img_highres", raw / "lists", raw / "out")
    assert (report.written, report.present, report.missing_images, report.missing_lists) == (12, 0, (), ())
    for split in ("train", "test"):
        assert len(DeepFashion(raw / "out", split)[2].source_image) == 3
    again = deepfashion.prepare(raw, raw / "lists", raw / "out")
    assert (again.written, again.present) == (0, 12)


def test_an_interrupted_run_is_taken_up(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt_third(source: Path, target: Path, link_or_copy=preparation.link_or_copy) -> None:  # type: ignore[no-untyped-def]
        if target.name == NAMES[2]:
            target.with_name(f".{target.name}.part").write_bytes(b"half")
            raise KeyboardInterrupt
        link_or_copy(source, target)

    monkeypatch.setattr(preparation, "link_or_copy", interrupt_third)
    with pytest.raises(KeyboardInterrupt):
        deepfashion.prepare(raw / "img_highres", raw / "lists", raw / "out")
    monkeypatch.undo()
    report = deepfashion.prepare(raw / "img_highres", raw / "lists", raw / "out")
    assert (report.written, report.present) == (10, 2)
    assert sorted(path.name for path in (raw / "out/train").iterdir()) == sorted(NAMES)


def test_without_hard_links_images_are_copied(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr("os.link", no_links)
    report = deepfashion.prepare(raw / "img_highres", raw / "lists", raw / "out")
    assert report.written == 12
    assert all((raw / "out/train" / name).stat().st_nlink == 1 for name in NAMES)
    assert len(DeepFashion(raw / "out", "train")) == 3


def test_what_is_missing_is_reported(raw: Path) -> None:
    (raw / "img_highres/MEN/Denim/id_00000002/01_3_back.jpg").unlink()
    (raw / "lists/fasion-resize-pairs-test.csv").unlink()
    report = deepfashion.prepare(raw / "img_highres", raw / "lists", raw / "out")
    assert report.missing_images == (NAMES[5], NAMES[5])
    assert report.missing_lists == ("fashion-resize-pairs-test.csv",)
    assert "MISSING: 2 images of the lists not found" in str(report)
    assert "MISSING: 1 lists: fashion-resize-pairs-test.csv" in str(report)


def test_without_lst_the_annotations_say_which_images(raw: Path) -> None:
    (raw / "lists/train.lst").unlink()
    report = deepfashion.prepare(raw / "img_highres", raw / "lists", raw / "out")
    assert (report.written, report.missing_lists) == (12, ("train.lst",))


def test_lists_may_lie_in_the_output_folder(raw: Path) -> None:
    assert deepfashion.prepare(raw / "img_highres", raw / "lists", raw / "lists").written == 12


def test_wrong_folders_are_named(raw: Path) -> None:
    with pytest.raises(ValueError, match="lists: no image such as WOMEN"):
        deepfashion.prepare(raw / "lists", raw / "lists", raw / "out")
    with pytest.raises(ValueError, match="img_highres: none of the lists is in it"):
        deepfashion.prepare(raw / "img_highres", raw / "img_highres", raw / "out")
    with pytest.raises(ValueError, match="bounding_box_train: no such folder"):
        market1501.prepare(raw, raw / "lists", raw / "out")
    assert not (raw / "out").exists()


def test_market_is_prepared_and_read(tmp_path: Path) -> None:
    names = ["0002_c1s1_000451_03.jpg", "0002_c2s1_000301_01.jpg"]
    for split in ("train", "test"):
        for name in (*names, "-1_c1s1_000401_03.jpg", "0000_c1s1_000151_01.jpg"):
            save_image(tmp_path / f"raw/bounding_box_{split}" / name, size=(128, 64))
        (tmp_path / f"raw/bounding_box_{split}/Thumbs.db").touch()
        write_pairs(tmp_path / f"raw/market-pairs-{split}.csv", [(names[0], names[1])])
        poses = {name: Keypoints([[5, 5]] * 18, (128, 64)) for name in (*names, "0002_c3s1_000001_01.jpg")}
        write_annotations(tmp_path / f"raw/market-annotation-{split}.csv", poses)
    report = market1501.prepare(tmp_path / "raw", tmp_path / "raw", tmp_path / "out")
    assert (report.written, set(report.missing_images)) == (4, {"0002_c3s1_000001_01.jpg"})
    assert list(Market1501(tmp_path / "out", "test").names) == names
    assert market1501.prepare(tmp_path / "raw", tmp_path / "raw", tmp_path / "out").present == 4
