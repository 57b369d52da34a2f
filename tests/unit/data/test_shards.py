"""Data sets in WebDataset shards: the same samples as from loose files, and what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
import webdataset
from torch.utils.data import DataLoader

from cfld.cli import main
from cfld.data.check import check_folder
from cfld.data.folder import FolderDataset
from cfld.data.registry import open_dataset
from cfld.data.shards import index_file, write_shards
from cfld.mannequin.dataset import write_mannequin
from cfld.poses.keypoints import parse_keypoints
from cfld.training.batches import MicroBatches, PairSamples
from support.commands import error_line, run
from support.data_tree import NAMES, write_tree

SHARD_BYTES = 8_000
"""Of about three images."""


@pytest.fixture
def loose(tree: Path) -> FolderDataset:
    return open_dataset("deepfashion", tree, "train")


@pytest.fixture
def packed(tree: Path) -> FolderDataset:
    write_shards(tree, tree.parent / "shards", SHARD_BYTES)
    return open_dataset("deepfashion", tree.parent / "shards", "train")


def samples(dataset: FolderDataset) -> PairSamples:
    return PairSamples(dataset=dataset, source_size=32, pose_size=(32, 32), image_size=32, flip=0.5, seed=1)


def test_the_same_data_set(loose: FolderDataset, packed: FolderDataset) -> None:
    assert (packed.pairs, packed.names) == (loose.pairs, loose.names)
    for name in loose.names:
        assert torch.equal(packed.image(name), loose.image(name))
        assert packed.digest(name) == loose.digest(name)
    assert torch.equal(pickle.loads(pickle.dumps(packed))[1].target_image, loose[1].target_image)
    with pytest.raises(ValueError, match=r"no image 'nobody\.jpg'"):
        packed.image("nobody.jpg")
    with pytest.raises(ValueError, match="is packed in a shard; name the data set that it was packed from"):
        packed.path(NAMES[0])


def test_equal_data_sets_give_equal_shards(tree: Path, packed: FolderDataset) -> None:
    shards = write_shards(tree, tree.parent / "again", SHARD_BYTES)
    assert len(shards) > 1
    assert [shard.read_bytes() for shard in shards] == [(packed.root / shard.name).read_bytes() for shard in shards]


def test_workers_and_ranks_share_one_sequence_and_resume_in_it(loose: FolderDataset, packed: FolderDataset) -> None:
    """Three ranks with two workers each read what one process reads from loose files, in three epochs."""

    def read(dataset: FolderDataset, rank: int, processes: int, start: int, workers: int) -> list[torch.Tensor]:
        stop = 9 // processes
        keys = MicroBatches(3, 1, rank=rank, processes=processes, seed=5, start=start, stop=stop)
        return [batch["images"] for batch in DataLoader(samples(dataset), batch_sampler=keys, num_workers=workers)]

    expected = read(loose, 0, 1, 0, 0)
    shares = [read(packed, rank, 3, 0, 2) for rank in range(3)]
    assert all(torch.equal(shares[place % 3][place // 3], batch) for place, batch in enumerate(expected))
    assert all(map(torch.equal, read(packed, 0, 1, 4, 2), expected[4:]))


def test_webdataset_opens_them(loose: FolderDataset, packed: FolderDataset) -> None:
    shards = [str(shard) for shard in sorted(packed.root.glob("train-*.tar"))]
    found = {sample["__key__"]: sample for sample in webdataset.WebDataset(shards, shardshuffle=False)}
    assert list(found) == [Path(name).stem for name in NAMES]
    for name in NAMES:
        sample = found[Path(name).stem]
        assert sample["jpg"] == loose.path(name).read_bytes()
        pose = parse_keypoints(json.loads(sample["json"]), name=name)
        assert (pose.yx == loose.keypoints(name).yx).all()


@pytest.mark.usefixtures("fresh_accelerator")
def test_commands_read_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mannequin(tmp_path / "data", identities=4, poses=2, size=(64, 44))
    run("data", "shards", "--data", tmp_path / "data", "--out", tmp_path / "shards")
    assert "2 shards in" in capsys.readouterr().out
    assert (check_folder(tmp_path / "shards").kind, check_folder(tmp_path / "shards").missing) == ("mannequin", ())
    main(["data", "info", str(tmp_path / "shards")])
    assert "images 6" in capsys.readouterr().out
    run("train", "tiny", "--out", tmp_path / "run", "--config.data.root", tmp_path / "shards", "--config.max-steps", 1)


def test_shards_that_are_missing_or_cut_short(packed: FolderDataset, capsys: pytest.CaptureFixture[str]) -> None:
    shard = packed.root / "train-000000.tar"
    content = shard.read_bytes()
    shard.write_bytes(content[:3000])
    assert "is cut short, to 3,000 of at least" in error_line(capsys, "data", "info", packed.root)
    shard.unlink()
    assert "no such file; pack the data set again" in error_line(capsys, "data", "info", packed.root)


@pytest.mark.parametrize("row", ["a.jpg,../train-000000.tar,512,9", "a.jpg,train-000000.tar,-5,9", "a.jpg,t.tar,1"])
def test_an_index_that_points_elsewhere(packed: FolderDataset, row: str) -> None:
    index_file(packed.root, "train").write_text(f"name,shard,offset,bytes\n{row}\n")
    with pytest.raises(ValueError, match=r"train-shards\.csv"):
        open_dataset("deepfashion", packed.root, "train")


def test_what_cannot_be_packed(tree: Path, packed: FolderDataset, capsys: pytest.CaptureFixture[str]) -> None:
    again = ("data", "shards", "--data", tree, "--out", packed.root)
    assert "exists already" in error_line(capsys, *again)
    out = tree.parent / "other"
    assert "packed in a shard" in error_line(capsys, "data", "shards", "--data", packed.root, "--out", out)
    assert "holds no data set" in error_line(capsys, "data", "shards", "--data", tree / "train", "--out", out)
    renamed = write_tree(tree.parent / "renamed")
    for file in renamed.glob("*.csv"):
        file.write_text(file.read_text().replace(NAMES[0], "a.b.jpg"))
    (renamed / "train" / NAMES[0]).rename(renamed / "train" / "a.b.jpg")
    (renamed / "train.lst").write_text("a.b.jpg\n")
    assert "two dots" in error_line(capsys, "data", "shards", "--data", renamed, "--out", out)
    assert not out.exists()
