"""Data sets on disk: what is read, what is refused, what is skipped."""

import logging
import re
from pathlib import Path

import pytest
import torch

from cfld.data.lists import read_annotations, write_annotations, write_names, write_pairs
from cfld.data.registry import open_dataset
from cfld.poses.keypoints import Keypoints
from support.data_tree import NAMES, PAIRS, a_pose, save_image

ANNOTATIONS = "fashion-resize-annotation-train.csv"


def rewrite(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def test_pairs_names_images_and_poses(tree: Path) -> None:
    dataset = open_dataset("deepfashion", tree, "train")
    assert (list(dataset.pairs), list(dataset.names), len(dataset)) == (PAIRS, NAMES, 3)
    pair = dataset[2]
    assert (pair.source_name, pair.target_name, pair.frame) == (NAMES[3], NAMES[5], (256, 176))
    assert torch.equal(pair.target_image, dataset.image(NAMES[5]))
    assert torch.equal(pair.target_pose, torch.tensor(a_pose(5).yx))
    assert [pair.source_name for pair in dataset] == [source for source, _ in PAIRS]


def test_a_sample_does_not_share_memory_with_the_data_set(tree: Path) -> None:
    dataset = open_dataset("deepfashion", tree, "train")
    dataset[0].source_pose.zero_()
    assert torch.equal(dataset[0].source_pose, torch.tensor(a_pose(0).yx))


def test_spaces_windows_line_ends_and_a_byte_order_mark(tree: Path) -> None:
    rewrite(tree / ANNOTATIONS, ":[", ": [")
    for path in tree.glob("*.*"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert list(open_dataset("deepfashion", tree, "train").pairs) == PAIRS


def test_without_lst_the_folder_gives_the_names(tree: Path) -> None:
    (tree / "train.lst").unlink()
    (tree / "train" / ".half.jpg.part").touch()
    (tree / "train" / "notes.txt").touch()
    assert list(open_dataset("deepfashion", tree, "train").names) == sorted(NAMES)


def test_a_pose_without_joints_is_accepted(tree: Path) -> None:
    poses = read_annotations(tree / ANNOTATIONS, (256, 176)) | {NAMES[0]: Keypoints([[-1, -1]] * 18)}
    write_annotations(tree / ANNOTATIONS, poses)
    assert (open_dataset("deepfashion", tree, "train")[0].source_pose == -1).all()


def test_a_source_of_another_size_is_resized(tree: Path) -> None:
    save_image(tree / "train" / NAMES[0], size=(96, 66))
    assert open_dataset("deepfashion", tree, "train")[0].source_image.shape == (3, 64, 44)


def test_missing_annotations(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_annotations(tree / ANNOTATIONS, {name: a_pose(0) for name in NAMES[3:]})
    with pytest.raises(ValueError, match=rf"2 images .* no row in {ANNOTATIONS} \({NAMES[0]}, {NAMES[1]}\)"):
        open_dataset("deepfashion", tree, "train")
    with caplog.at_level(logging.WARNING):
        dataset = open_dataset("deepfashion", tree, "train", skip_missing=True)
    assert (list(dataset.pairs), dataset.missing_annotations) == (PAIRS[2:], (NAMES[0], NAMES[1]))
    assert "2 images" in caplog.text
    assert list(dataset.names) == NAMES
    with pytest.raises(ValueError, match=f"no annotation of '{NAMES[0]}'"):
        dataset.keypoints(NAMES[0])


def test_missing_images(tree: Path) -> None:
    (tree / "train" / NAMES[5]).unlink()
    with pytest.raises(ValueError, match=rf"1 images .* are not in .*train \({NAMES[5]}\); .*skip_missing=True"):
        open_dataset("deepfashion", tree, "train")
    dataset = open_dataset("deepfashion", tree, "train", skip_missing=True)
    assert (list(dataset.pairs), list(dataset.names)) == (PAIRS[:2], NAMES[:5])
    with pytest.raises(ValueError, match="no image"):
        dataset.image(NAMES[5])


def test_names_cannot_leave_the_folder(tree: Path) -> None:
    save_image(tree / "secret.jpg")
    write_pairs(tree / "fashion-resize-pairs-train.csv", [("../secret.jpg", NAMES[0])])
    with pytest.raises(ValueError, match=r"\.\./secret\.jpg"):
        open_dataset("deepfashion", tree, "train")


def test_no_usable_pair(tree: Path) -> None:
    write_pairs(tree / "fashion-resize-pairs-train.csv", [])
    with pytest.raises(ValueError, match=r"none of its 0 pairs is usable"):
        open_dataset("deepfashion", tree, "train")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[", "[np.int64(3), ", "line 2: holds 'np.int64"),
        (", ", "; ", "line 2: not JSON"),
        ("name:keypoints_y", "name,keypoints_y", "expected the header"),
        (".jpg:", ".jpg;", "line 2: expected name:"),
        (NAMES[1], NAMES[0], f"line 3: a second, different annotation of {NAMES[0]}"),
    ],
)
def test_malformed_annotations(tree: Path, old: str, new: str, message: str) -> None:
    rewrite(tree / ANNOTATIONS, old, new)
    with pytest.raises(ValueError, match=f"{ANNOTATIONS}[^\n]*{re.escape(message)}"):
        open_dataset("deepfashion", tree, "train")


def test_17_joints(tree: Path) -> None:
    text = re.sub(r", -?\d+\]", "]", (tree / ANNOTATIONS).read_text())
    (tree / ANNOTATIONS).write_text(text)
    with pytest.raises(ValueError, match="line 2: a pose needs 18 joints, got 17"):
        open_dataset("deepfashion", tree, "train")


def test_images_of_another_aspect_ratio_give_a_warning(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    open_dataset("deepfashion", tree, "train")
    assert not caplog.text
    save_image(tree / "train" / NAMES[0], size=(64, 64))
    open_dataset("deepfashion", tree, "train")
    assert "64 x 64 images, but keypoints in a frame of 256 x 176" in caplog.text


def test_names_are_given_once(tree: Path) -> None:
    write_names(tree / "train.lst", [*NAMES, "", NAMES[0], "48674 images"])
    assert list(open_dataset("deepfashion", tree, "train").names) == NAMES


def test_absent_things_are_named(tree: Path) -> None:
    with pytest.raises(ValueError, match=r"no test_highres \(nor test\) in it"):
        open_dataset("deepfashion", tree, "test")
    with pytest.raises(ValueError, match="split 'val' is unknown; choose one of train, test"):
        open_dataset("deepfashion", tree, "val")
    with pytest.raises(ValueError, match="no such folder"):
        open_dataset("deepfashion", tree / "absent", "train")
