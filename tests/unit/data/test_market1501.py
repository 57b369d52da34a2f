"""Market-1501: preparation, and the distractors that do not count."""

from pathlib import Path

from cfld.data.layout import PrepareReport
from cfld.data.lists import write_annotations, write_pairs
from cfld.data.market1501 import PrepareMarket1501
from cfld.data.registry import open_dataset
from cfld.poses.keypoints import Keypoints
from support.data_tree import a_pose, save_image


def prepare(root: Path) -> PrepareReport:
    return PrepareMarket1501(images=root / "raw", lists=root / "raw", out=root / "out").prepare()


def test_market_is_prepared_and_read(tmp_path: Path) -> None:
    names = ["0002_c1s1_000451_03.jpg", "0002_c2s1_000301_01.jpg"]
    for split in ("train", "test"):
        for name in (*names, "-1_c1s1_000401_03.jpg", "0000_c1s1_000151_01.jpg"):
            save_image(tmp_path / f"raw/bounding_box_{split}" / name, size=(128, 64))
        (tmp_path / f"raw/bounding_box_{split}/Thumbs.db").touch()
        write_pairs(tmp_path / f"raw/market-pairs-{split}.csv", [(names[0], names[1])])
        poses = {name: Keypoints([[5, 5]] * 18, (128, 64)) for name in (*names, "0002_c3s1_000001_01.jpg")}
        write_annotations(tmp_path / f"raw/market-annotation-{split}.csv", poses)
    report = prepare(tmp_path)
    assert (report.written, set(report.missing_images)) == (4, {"0002_c3s1_000001_01.jpg"})
    assert list(open_dataset("market1501", tmp_path / "out", "test").names) == names
    assert prepare(tmp_path).present == 4


def test_distractors_are_ignored(tmp_path: Path) -> None:
    names = ["0002_c1s1_000451_03.jpg", "0002_c1s1_000551_01.jpg", "-1_c1s1_000401_03.jpg", "0000_c1s1_000151_01.jpg"]
    for name in names:
        save_image(tmp_path / "test" / name, size=(128, 64))
    write_pairs(tmp_path / "market-pairs-test.csv", [(names[0], names[1]), (names[3], names[0]), (names[1], names[2])])
    write_annotations(tmp_path / "market-annotation-test.csv", {name: a_pose(0) for name in names[:2]})
    dataset = open_dataset("market1501", tmp_path, "test")
    assert (list(dataset.pairs), list(dataset.names)) == ([(names[0], names[1])], names[:2])
    assert (dataset.frame, dataset[0].source_image.shape) == ((128, 64), (3, 128, 64))
