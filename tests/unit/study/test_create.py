"""Study folders: complete, and files that do not reveal their origin."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from cfld.cli import main, parse
from cfld.study.create import parse_methods, sample_pairs
from cfld.study.definition import Protocol, Study, load_study, open_study
from support.study import METHODS, SIZE, blot, create_arguments, make_study, save_folders


def create(root: Path, *options: str) -> Study:
    parse([*create_arguments(root), "--out", str(root / "study"), *options]).run()
    return load_study(root / "study")


def files(folder: Path) -> list[Path]:
    return sorted((folder / "pictures").iterdir())


def test_files_differ_in_their_pixels_only(study_folder: Path) -> None:
    facts = set()
    for file in files(study_folder):
        with Image.open(file) as image:
            image.load()
            facts.add((image.format, image.mode, image.size, str(sorted(image.info.items()))))
        facts.add((file.stat().st_size, file.stat().st_mtime, file.suffix, len(file.stem)))
    assert facts == {("PNG", "RGB", (SIZE[1], SIZE[0]), "[]"), (files(study_folder)[0].stat().st_size, 0, ".png", 32)}


def test_metadata_is_removed(tmp_path: Path) -> None:
    save_folders(tmp_path)
    exif = Image.Exif()
    exif[0x010E] = "made by theirs"
    for file in (tmp_path / "theirs").iterdir():
        Image.open(file).save(file, exif=exif, dpi=(300, 300))
    create(tmp_path, "--images", "2", "--comparisons", "2")
    assert not any(b"made by" in file.read_bytes() for file in files(tmp_path / "study"))


def test_images_are_those_of_the_pair(tmp_path: Path) -> None:
    study = load_study(make_study(tmp_path))
    opened = open_study(tmp_path / "study")
    for pair in study.pairs:
        seed = int(pair.target.removeprefix("t").removesuffix(".jpg"))
        for kind, image in enumerate((pair.source_picture, None, pair.pose_picture, *pair.results.values())):
            if image is not None:
                assert Image.open(opened.image(image)).tobytes() == blot(1000 * kind + seed).tobytes()


def test_image_names_are_random(tmp_path: Path) -> None:
    """The same seed gives the same study, but never the same names: they cannot be computed from outside."""
    first, second = (load_study(make_study(tmp_path / name, seed=3)) for name in "ab")
    assert [(p.source, p.target) for p in first.pairs] == [(p.source, p.target) for p in second.pairs]
    assert not set(first.image_ids()) & set(second.image_ids())
    assert len(set(first.image_ids())) == len(list(first.image_ids()))


def test_another_seed_samples_other_pairs() -> None:
    pairs = [(f"s{i}", f"t{i}") for i in range(50)]
    drawn = [sample_pairs(pairs, Protocol(images=5, comparisons=5, seed=seed))[0] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_no_target_image_is_used_in_two_pairs() -> None:
    pairs = [(f"s{i}", f"t{i % 7}") for i in range(70)]
    chosen, roles = sample_pairs(pairs, Protocol(images=3, comparisons=1))
    assert len({target for _, target in chosen}) == len(chosen) == 7
    assert (roles.generated, roles.real, roles.comparisons) == ((0, 1, 2), (3, 4, 5), (6,))


def test_pairs_are_reused_if_there_are_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_folders(tmp_path, pairs=4)
    study = create(tmp_path, "--images", "3", "--comparisons", "2")
    assert Counter([*study.generated, *study.real, *study.comparisons]) == {0: 2, 1: 2, 2: 2, 3: 2}
    assert "4 pairs are fewer than the questions" in capsys.readouterr().out


def test_a_method_may_have_its_own_file_name_pattern(tmp_path: Path) -> None:
    save_folders(tmp_path)
    for file in (tmp_path / "theirs").iterdir():
        file.rename(file.with_name(file.name.replace("_to_", "_2_").replace(".png", "_vis.png")))
    arguments = [a for a in create_arguments(tmp_path) if "theirs" not in a]
    theirs = f"--method=theirs={tmp_path}/theirs/{{source}}_2_{{target}}_vis.png"
    parse([*arguments, theirs, "--images", "1", "--comparisons", "1", "--out", str(tmp_path / "study")]).run()
    assert set(load_study(tmp_path / "study").methods) == set(METHODS)


def test_a_single_method_has_part_one_only(tmp_path: Path) -> None:
    save_folders(tmp_path)
    arguments = [*create_arguments(tmp_path, ["ours"]), "--images", "2", "--out", str(tmp_path / "study")]
    with pytest.raises(ValueError, match="part two compares methods"):
        parse([*arguments, "--comparisons", "1"]).run()
    parse([*arguments, "--comparisons", "0"]).run()
    assert load_study(tmp_path / "study").methods == ("ours",)


def test_all_images_get_the_same_size(tmp_path: Path) -> None:
    save_folders(tmp_path)
    for file in (tmp_path / "theirs").iterdir():
        blot(1, (320, 220)).save(file)
    create(tmp_path, "--images", "2", "--comparisons", "2")
    assert {Image.open(file).size for file in files(tmp_path / "study")} == {(SIZE[1], SIZE[0])}


def test_all_missing_images_are_listed_and_nothing_is_left_behind(tmp_path: Path) -> None:
    save_folders(tmp_path)
    for name in ("s1_to_t1.png", "s4_to_t4.png"):
        (tmp_path / "theirs" / name).unlink()
    with pytest.raises(ValueError, match=r"s1_to_t1\.png, s4_to_t4\.png"):
        create(tmp_path, "--images", "2", "--comparisons", "2")
    assert not (tmp_path / "study").exists()


def test_a_damaged_image_is_named_and_nothing_is_left_behind(tmp_path: Path) -> None:
    save_folders(tmp_path)
    for file in (tmp_path / "third").iterdir():
        file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"third/s\d_to_t\d\.png: is damaged"):
        create(tmp_path, "--images", "2", "--comparisons", "2")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["sources", "real", "poses", *METHODS])


BAD = {
    "too few pairs": (["--images", "7", "--comparisons", "1"], "7 questions of a kind need 7 pairs"),
    "no question": (["--images", "0", "--comparisons", "0"], "needs images or comparisons"),
    "negative": (["--checks", "-1"], "checks must be between 0 and 10,000, got -1"),
    "no time": (["--seconds", "0"], "seconds must be between 0.05 and 3,600, got 0"),
    "not a method": (["--method", "ours"], "expected NAME=FOLDER"),
    "twice": (["--method", "ours=elsewhere"], "ours: given twice"),
    "no such folder": (["--method", "new=nowhere"], "nowhere: no such folder"),
    "another shape": (["--size", "64", "64"], "has another aspect ratio than 64 x 64"),
    "no names": (["--pattern", "{target}.png"], "it needs {source}, text, and {target}"),
    "nothing fits": (["--pattern", "{source}-{target}.png"], "no file is named {source}-{target}.png"),
    "both ways": (["--data", "people"], "give --data, or --sources and --real"),
    "no introduction": (["--introduction", "nowhere.txt"], "nowhere.txt"),
}


@pytest.mark.parametrize("case", BAD)
def test_invalid_input_is_reported_in_one_line(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, message = BAD[case]
    save_folders(tmp_path)
    small = [] if "--images" in options else ["--images", "2", "--comparisons", "2"]
    with pytest.raises(SystemExit) as stopped:
        main([*create_arguments(tmp_path), "--out", str(tmp_path / "study"), *small, *options])
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (tmp_path / "study").exists()


def test_an_existing_folder_is_not_overwritten(study_folder: Path) -> None:
    with pytest.raises(ValueError, match="exists already"):
        parse([*create_arguments(study_folder.parent), "--images=1", "--comparisons=1", f"--out={study_folder}"]).run()


def test_method_arguments() -> None:
    methods = parse_methods(["a=x/y", "b=x={source}_{target}.png", "c=/z/{index}.png"], "p")
    assert {name: (str(m.folder), m.pattern) for name, m in methods.items()} == {
        "a": ("x/y", "p"),
        "b": (".", "x={source}_{target}.png"),
        "c": ("/z", "{index}.png"),
    }
