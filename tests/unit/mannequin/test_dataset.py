"""Mannequins as a data set: who is in which split, and the folder on disk."""

import re
from pathlib import Path

import pytest
import torch

from cfld import mannequin
from cfld.data.registry import detect_dataset, open_dataset
from cfld.mannequin.dataset import MannequinDataset, image_name, write_mannequin

SMALL = (64, 44)


def seeds_of(seed: int, split: str, identities: int) -> tuple[set[int], set[int]]:
    dataset = MannequinDataset(identities=identities, poses=4, seed=seed, split=split)
    people, poses = zip(*(dataset.seeds(name) for name in dataset.names), strict=True)
    assert len(set(poses)) == len(poses) == 4 * identities
    return set(people), set(poses)


def test_no_person_and_no_pose_is_in_two_splits_or_under_two_seeds() -> None:
    drawn = [seeds_of(seed, split, n) for seed in (0, 1, 2, 77) for split, n in (("train", 50), ("test", 13))]
    for kind in (0, 1):
        assert len(set.union(*(sets[kind] for sets in drawn))) == sum(len(sets[kind]) for sets in drawn)


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_train_and_test_people_look_different(seed: int) -> None:
    people = [
        repr(mannequin.sample_identity(dataset.seeds(name)[0]))
        for split in ("train", "test")
        for dataset in [MannequinDataset(identities=10, poses=2, seed=seed, split=split)]
        for name in dataset.names[::2]
    ]
    assert len(set(people)) == 20


def test_names_are_flat_deepfashion_names_and_differ_between_splits() -> None:
    names = [name for split in ("train", "test") for name in MannequinDataset(identities=3, poses=3, split=split).names]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"fashion(WO)?MEN[A-Za-z_]+id\d{10}_\d[a-z]+\.jpg", name) for name in names)
    assert names[1] == image_name(0, 1) == "fashionWOMENMannequinid0000000002_4full.jpg"


def test_pairs_are_all_ordered_pairs_of_a_person() -> None:
    dataset = MannequinDataset(identities=2, poses=3)
    assert len(dataset) == len(set(dataset.pairs)) == 2 * 3 * 2
    assert all(source != target and source[:31] == target[:31] for source, target in dataset.pairs)


def test_the_same_seed_renders_the_same_image_and_another_does_not() -> None:
    first, same, other = (MannequinDataset(identities=1, poses=2, seed=seed, size=SMALL) for seed in (3, 3, 4))
    assert torch.equal(first[0].source_image, same[0].source_image)
    assert torch.equal(first[0].source_pose, same[0].source_pose)
    assert not torch.equal(first[0].source_image, other[0].source_image)


def test_the_cache_changes_no_image() -> None:
    cached, fresh = (
        MannequinDataset(identities=1, poses=2, size=SMALL, cache_in_memory=cache) for cache in (True, False)
    )
    for name in fresh.names:
        assert cached.image(name) is cached.image(name)
        assert cached.keypoints(name) is cached.keypoints(name)
        assert fresh.image(name) is not fresh.image(name)
        assert torch.equal(cached.image(name), fresh.image(name))
        assert cached.keypoints(name).yx.tolist() == fresh.keypoints(name).yx.tolist()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"identities": 0}, "identities must be between 1"),
        ({"poses": 1}, "poses must be between 2 and 99"),
        ({"poses": 100}, "and 99, got 100"),
        ({"identities": 10_000, "poses": 99}, "97,020,000 pairs; the limit is"),
        ({"seed": -1}, "seed must be between 0"),
        ({"size": (256, 256)}, "aspect ratio 256:176"),
        ({"split": "val"}, "split 'val' is unknown"),
    ],
)
def test_numbers_out_of_range(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MannequinDataset(**{"identities": 2, "poses": 2} | wrong)  # type: ignore[arg-type]


def test_the_folder_equals_the_images_rendered_on_the_fly(tmp_path: Path) -> None:
    report = write_mannequin(tmp_path / "out", identities=5, poses=2, seed=9, size=SMALL)
    assert (report.written, report.present) == (10, 0)
    assert detect_dataset(tmp_path / "out") == "mannequin"
    for split, identities in (("train", 4), ("test", 1)):
        drawn = MannequinDataset(identities=identities, poses=2, seed=9, split=split, size=SMALL)
        stored = open_dataset("deepfashion", tmp_path / "out", split)
        assert (list(stored.pairs), list(stored.names)) == (list(drawn.pairs), list(drawn.names))
        assert (stored[0].source_image.float() - drawn[0].source_image.float()).abs().mean() < 8
        assert (stored[0].target_pose - drawn[0].target_pose).abs().max() <= 0.5


def test_an_interrupted_folder_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def interrupted(self: MannequinDataset, name: str, image=MannequinDataset.image) -> torch.Tensor:  # type: ignore[no-untyped-def]
        calls.append(name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return image(self, name)  # type: ignore[no-any-return]

    monkeypatch.setattr(MannequinDataset, "image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_mannequin(tmp_path, identities=2, poses=2, size=SMALL)
    with pytest.raises(ValueError, match=r"no fashion-resize-pairs-train\.csv"):
        open_dataset("mannequin", tmp_path, "train")
    report = write_mannequin(tmp_path, identities=2, poses=2, size=SMALL)
    assert (report.written, report.present) == (2, 2)
    assert len(open_dataset("mannequin", tmp_path, "test")) == 2


@pytest.mark.parametrize("kept", [0, 300, None], ids=["empty", "cut", "another person"])
def test_an_image_that_is_not_what_was_written_is_written_again(tmp_path: Path, kept: int | None) -> None:
    write_mannequin(tmp_path, identities=2, poses=2, size=SMALL)
    file, other = sorted((tmp_path / "train").iterdir())
    whole = file.read_bytes()
    file.write_bytes(other.read_bytes() if kept is None else whole[:kept])
    report = write_mannequin(tmp_path, identities=2, poses=2, size=SMALL)
    assert (report.written, report.present, report.again) == (1, 3, "1 (1 damaged)")
    assert file.read_bytes() == whole


def test_a_folder_begun_by_another_drawing_is_refused(tmp_path: Path) -> None:
    write_mannequin(tmp_path, identities=2, poses=2, size=SMALL)
    path = tmp_path / "mannequin.json"
    path.write_text(path.read_text().replace(f', "drawing": {mannequin.DRAWING}', ""))
    with pytest.raises(ValueError, match=r'holds images of .*"seed": 0.*not of .*"drawing".*choose another folder'):
        write_mannequin(tmp_path, identities=2, poses=2, size=SMALL)


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    write_mannequin(tmp_path / "mine", identities=2, poses=2, size=SMALL)
    with pytest.raises(ValueError, match=r'holds images of .*"seed": 0.*not of .*"seed": 1.*choose another folder'):
        write_mannequin(tmp_path / "mine", identities=2, poses=2, seed=1, size=SMALL)
    with pytest.raises(ValueError, match="not empty"):
        write_mannequin(tmp_path, identities=2, poses=2)
    with pytest.raises(ValueError, match="identities must be at least 2"):
        write_mannequin(tmp_path / "new", identities=1, poses=2)
    assert not (tmp_path / "new").exists()
