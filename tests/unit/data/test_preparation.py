"""Preparing a data set folder: what is placed, resumed and reported."""

import json
from pathlib import Path

import pytest

from cfld.data import preparation
from cfld.data.deepfashion import PrepareDeepFashion
from cfld.data.layout import PrepareReport
from cfld.data.market1501 import PrepareMarket1501
from cfld.data.registry import open_dataset
from support.data_tree import NAMES, PAIRS, save_image, write_lists


def publish(folder: Path) -> None:
    """`img_highres` with the images of the lists, and one more."""
    for person in ("WOMEN/Dresses/id_00000001", "MEN/Denim/id_00000002"):
        for view in ("1_front", "2_side", "3_back"):
            save_image(folder / person / f"01_{view}.jpg")
    save_image(folder / "WOMEN/Skirts/id_00000009/01_1_front.jpg")


def prepare(raw: Path, images: str = "img_highres", lists: str = "lists", out: str = "out") -> PrepareReport:
    return PrepareDeepFashion(images=raw / images, lists=raw / lists, out=raw / out).prepare()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    publish(tmp_path / "img_highres")
    write_lists(tmp_path / "lists", "train")
    write_lists(tmp_path / "lists", "test", spelling="fasion")
    return tmp_path


def test_deepfashion_is_prepared_and_read(raw: Path) -> None:
    report = prepare(raw)
    assert (report.written, report.present, report.missing_images, report.missing_lists) == (12, 0, (), ())
    for split in ("train", "test"):
        assert len(open_dataset("deepfashion", raw / "out", split)[2].source_image) == 3
    again = prepare(raw, images="")
    assert (again.written, again.present) == (0, 12)


def test_an_interrupted_run_is_completed(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt_third(source: Path, target: Path, link_or_copy=preparation.link_or_copy) -> None:  # type: ignore[no-untyped-def]
        if target.name == NAMES[2]:
            raise KeyboardInterrupt
        link_or_copy(source, target)

    monkeypatch.setattr(preparation, "link_or_copy", interrupt_third)
    with pytest.raises(KeyboardInterrupt):
        prepare(raw)
    monkeypatch.undo()
    report = prepare(raw)
    assert (report.written, report.present) == (10, 2)
    assert sorted(path.name for path in (raw / "out/train").iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("content", [b"", b"cut", None], ids=["empty", "other", "other image"])
def test_an_image_of_other_content_is_placed_again(raw: Path, content: bytes | None) -> None:
    prepare(raw)
    target = raw / "out/train" / NAMES[2]
    whole = target.read_bytes()
    target.unlink()  # the file is a link to its source
    target.write_bytes((raw / "out/train" / NAMES[1]).read_bytes() + b"\0" if content is None else content)
    report = prepare(raw)
    assert (report.written, report.present, report.again) == (1, 11, "1 (1 content changed)")
    assert "written again: 1 (1 content changed)" in str(report)
    assert target.read_bytes() == whole


def test_a_changed_source_is_placed_again(raw: Path) -> None:
    prepare(raw)
    source = raw / "img_highres/WOMEN/Dresses/id_00000001/01_1_front.jpg"
    content = (raw / "img_highres/WOMEN/Skirts/id_00000009/01_1_front.jpg").read_bytes() + b"\0"
    source.unlink()
    source.write_bytes(content)
    assert prepare(raw).again == "2 (2 content changed)"  # in both splits
    assert (raw / "out/train" / NAMES[0]).read_bytes() == content


def test_a_damaged_image_without_a_source_is_missing(raw: Path) -> None:
    prepare(raw)
    (raw / "img_highres/MEN/Denim/id_00000002/01_3_back.jpg").unlink()
    (raw / "out/train" / NAMES[5]).unlink()
    (raw / "out/train" / NAMES[5]).write_bytes(b"")
    report = prepare(raw)
    assert (report.written, report.present, report.missing_images) == (0, 11, (NAMES[5],))


def test_without_hard_links_images_are_copied(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr("os.link", no_links)
    report = prepare(raw)
    assert report.written == 12
    assert all((raw / "out/train" / name).stat().st_nlink == 1 for name in NAMES)
    assert len(open_dataset("deepfashion", raw / "out", "train")) == 3


def test_what_is_missing_is_reported(raw: Path) -> None:
    (raw / "img_highres/MEN/Denim/id_00000002/01_3_back.jpg").unlink()
    (raw / "lists/fasion-resize-pairs-test.csv").unlink()
    report = prepare(raw)
    assert report.missing_images == (NAMES[5], NAMES[5])
    assert report.missing_lists == ("fashion-resize-pairs-test.csv",)
    assert "MISSING: 2 images of the lists:" in str(report)
    assert "MISSING: 1 lists: fashion-resize-pairs-test.csv" in str(report)


def test_without_lst_the_annotations_say_which_images(raw: Path) -> None:
    (raw / "lists/train.lst").unlink()
    report = prepare(raw)
    assert (report.written, report.missing_lists) == (12, ("train.lst",))


def test_lists_may_lie_in_the_output_folder(raw: Path) -> None:
    assert prepare(raw, out="lists").written == 12


def test_wrong_folders_are_named(raw: Path) -> None:
    with pytest.raises(ValueError, match="lists: no image such as WOMEN"):
        prepare(raw, images="lists")
    with pytest.raises(ValueError, match="img_highres: none of the lists is in it"):
        prepare(raw, lists="img_highres")
    with pytest.raises(ValueError, match="bounding_box_train: no such folder"):
        PrepareMarket1501(images=raw, lists=raw / "lists", out=raw / "out").prepare()
    assert not (raw / "out").exists()


def test_a_name_that_is_too_long_loses_nothing_else(raw: Path) -> None:
    name = "x" * 252 + ".jpg"
    for split in ("train", "test"):
        (raw / f"lists/{split}.lst").open("a").write(f"{name}\n")
    report = prepare(raw)
    assert (report.written, report.missing_images) == (12, (name, name))


def as_path(name: str) -> str:
    """`WOMEN/Dresses/id_00000001/01_1_front.png`, as some lists call an image."""
    folder = "WOMEN/Dresses/id_00000001" if "WOMEN" in name else "MEN/Denim/id_00000002"
    view = Path(name).stem.rpartition("_")[2]
    return f"{folder}/01_{view[0]}_{view[1:]}.png"


@pytest.mark.parametrize("form", ["paths", "png", "json", "flat images"])
def test_lists_that_call_images_otherwise(form: str, raw: Path) -> None:
    changed = {name: as_path(name) if form == "paths" else f"{Path(name).stem}.png" for name in NAMES}
    for path in (raw / "lists").iterdir():
        text = path.read_text()
        for name, other in changed.items():
            text = text.replace(name, other) if form in ("paths", "png") else text
        path.write_text(text)
    if form == "json":
        for split in ("train", "test"):
            (path,) = (raw / "lists").glob(f"*-pairs-{split}.csv")
            pairs = [line.split(",") for line in path.read_text().split()[1:]]
            path.unlink()
            items = [{"source_image": one, "target_image": other} for one, other in pairs]
            (raw / "lists" / f"{split}_data.json").write_text(json.dumps(items))
    if form == "flat images":
        prepare(raw, out="flat")
        (raw / "images").mkdir()
        for path in (raw / "flat" / "train").iterdir():
            path.rename(raw / "images" / path.name)
    report = prepare(raw, images="images" if form == "flat images" else "img_highres")
    assert (report.written, report.missing_images, report.missing_lists) == (12, (), ())
    for split in ("train", "test"):
        data = open_dataset("deepfashion", raw / "out", split)
        assert list(data.pairs) == PAIRS
        assert set(data.names) == set(NAMES)
