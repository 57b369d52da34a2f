"""`cfld evaluate images` from the command line: output, files, and errors."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageFilter

from cfld.cli import main, parse
from cfld.mannequin.dataset import write_mannequin
from cfld.metrics.networks import Backbone, InceptionV3
from cfld.metrics.weights import BACKBONE_FILES, INCEPTION_FILES
from support.metrics import random_network
from support.network import UNREACHABLE, proxies

OURS, THEIRS = "{source}_to_{target}.png", "{source}_2_{target}_vis.png"


@pytest.fixture(autouse=True)
def offline() -> Iterator[None]:
    """No test downloads weights."""
    with proxies(http=UNREACHABLE, https=UNREACHABLE):
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One test person in three poses: six pairs. Tests that change it copy it first."""
    root = tmp_path_factory.mktemp("data") / "mannequin"
    write_mannequin(root, identities=4, poses=3, seed=0, size=(64, 44))
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the published names with random weights in them."""
    folder = tmp_path_factory.mktemp("weights")
    files = {INCEPTION_FILES["imagenet"]: InceptionV3("imagenet"), BACKBONE_FILES["alex"]: Backbone("alex")}
    for file, network in files.items():
        torch.save(random_network(network).state_dict(), folder / file.name)
    return folder


def pairs(data: Path) -> list[tuple[str, str]]:
    with (data / "fashion-resize-pairs-test.csv").open() as file:
        return [(row["from"], row["to"]) for row in csv.DictReader(file)]


@pytest.fixture
def images(data: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder of blurred true images."""

    def make(name: str = "ours", pattern: str = OURS, radius: float = 1) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for source, target in pairs(data):
            image = Image.open(data / "test" / target).filter(ImageFilter.GaussianBlur(radius))
            image.save(folder / pattern.format(source=Path(source).stem, target=Path(target).stem))
        return folder

    return make


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Callable[..., None]:
    """Runs the command without weights, if `arguments` do not name others."""

    def run(*arguments: str | Path, root: Path = data) -> None:
        options = ("--data", root, "--weights", tmp_path / "none", "--cache", tmp_path / "cache", "--device", "cpu")
        main([str(argument) for argument in ("evaluate", "images", *options, *arguments)])

    return run


@pytest.fixture
def error_of(run: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must fail: exit code 2 and one line, which is returned."""

    def error_of(*arguments: str | Path, **options: Path) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            run(*arguments, **options)
        assert stopped.value.code == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1, error
        assert error.startswith("cfld: ")
        return error

    return error_of


def test_a_folder_without_weights(
    run: Callable[..., None], images: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--images", images())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Protocol cfld at 64 x 44, test pairs of ")
    ours, truth = (line.split(" | ") for line in lines if line.startswith(("| ours", "| ground truth")))
    assert ours[1:4] == ["6", "-", "-"]
    assert truth[-1] == "+∞ |"
    notes = [line for line in lines if line.startswith("- ")]
    for file, note in zip((INCEPTION_FILES["imagenet"], BACKBONE_FILES["alex"]), notes, strict=False):
        assert f"{tmp_path / 'none' / file.name} is missing and cannot be downloaded from {file.url}" in note
        assert "put the file there" in note
    assert not (tmp_path / "none").exists()


def test_everything_with_weights(
    run: Callable[..., None],
    images: Callable[..., Path],
    weights: Path,
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ours, theirs = images(), images("theirs", THEIRS, radius=2)
    run(
        *("--images", ours, "--images", f"nted={theirs}", "--pattern", f"nted={THEIRS}", "--weights", weights),
        *("--vae", model_folder, "--identity", "colours", "--out", tmp_path / "report", "--json"),
        *("--sort", "lpips", "--worst-first"),
    )
    printed = json.loads(capsys.readouterr().out)
    assert printed["complete"] is True
    assert [row["name"] for row in printed["rows"]] == ["ours", "nted", "VAE reconstructed", "ground truth"]
    assert {row["n"] for row in printed["rows"]} == {6}
    figures = {row["name"]: row["figures"] for row in printed["rows"]}
    assert set(figures["ours"]) == {"fid", "lpips", "ssim", "ssim_256", "psnr", "identity_rank_1", "identity_map"}
    assert figures["ground truth"]["lpips"] == 0 < figures["ours"]["lpips"] < figures["nted"]["lpips"]
    assert figures["ground truth"]["fid"] < figures["ours"]["fid"] < figures["nted"]["fid"]
    assert all("not the published file" in note for note in printed["notes"][:2])
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert len(report["rows"][0].pop("pairs")) == 6
    assert report["rows"][0] == printed["rows"][0]
    assert (tmp_path / "report" / "report.html").is_file()
    assert "| nted | 6 |" in (tmp_path / "report" / "report.md").read_text()
    assert len(list((tmp_path / "cache").glob("fid-real-*.npz"))) == 1


@pytest.mark.parametrize("protocol", ["pidm", "pcdms", "dptn", "standard"])
def test_other_protocols(
    protocol: str, run: Callable[..., None], images: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run("--images", images(), "--protocol", protocol, "--json", "--no-ground-truth")
    values = json.loads(capsys.readouterr().out)
    assert values["protocol"] == protocol
    assert len(values["rows"]) == 1
    assert values["rows"][0]["figures"]["psnr"] > 20


def test_damaged_images_in_the_middle(
    error_of: Callable[..., str], images: Callable[..., Path], tmp_path: Path
) -> None:
    ours = images()
    _, second, third, *_ = sorted(ours.iterdir())
    second.write_bytes(second.read_bytes()[:300])
    third.write_bytes(b"no image")
    line = error_of("--images", ours, "--out", tmp_path / "report", "--json")
    assert str(second) in line
    assert str(third) in line
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["complete"] is False
    ours_row, truth_row = report["rows"]
    assert (ours_row["n"], ours_row["complete"], len(ours_row["damaged"])) == (4, False, 2)
    assert ours_row["figures"]["psnr"] > 20
    assert truth_row["complete"] is True


def test_damaged_true_images(
    error_of: Callable[..., str], images: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    ours, copy = images(), Path(shutil.copytree(data, tmp_path / "data"))
    name = pairs(copy)[-1][1]
    (copy / "test" / name).write_bytes(b"no image")
    line = error_of("--images", ours, "--out", tmp_path / "report", root=copy)
    assert line.count(name) == 1
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [row["n"] for row in report["rows"]] == [4, 4]


def test_one_image_has_no_covariance(
    error_of: Callable[..., str], images: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    ours, copy = images(), Path(shutil.copytree(data, tmp_path / "data"))
    header, first, *_ = (copy / "fashion-resize-pairs-test.csv").read_text().splitlines()
    (copy / "fashion-resize-pairs-test.csv").write_text(f"{header}\n{first}\n")
    assert "ours: FID needs at least 2 images, got 1" in error_of("--images", ours, root=copy)


def test_mismatched_names_are_all_listed(
    error_of: Callable[..., str], images: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    theirs = images("theirs", THEIRS)
    expected = {OURS.format(source=Path(s).stem, target=Path(t).stem) for s, t in pairs(data)}
    line = error_of("--images", theirs)
    assert all(name in line for name in expected | {path.name for path in theirs.iterdir()})
    for i in range(20):
        shutil.copy(next(theirs.iterdir()), theirs / f"more{i}.png")
    line = error_of("--images", theirs, "--out", tmp_path / "report")
    listed = (tmp_path / "report-mismatched-names.txt").read_text().splitlines()
    assert "report-mismatched-names.txt" in line
    assert {f"missing: {name}" for name in expected} | {f"unmatched: {p.name}" for p in theirs.iterdir()} == set(listed)


def test_bad_input(error_of: Callable[..., str], images: Callable[..., Path], tmp_path: Path) -> None:
    ours = images()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / INCEPTION_FILES["imagenet"].name).write_bytes(b"no weights")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").touch()
    assert "no such folder of images" in error_of("--images", tmp_path / "nothing")
    assert "no such folder" in error_of("--images", ours, root=tmp_path / "nothing")
    assert "two folders have the name 'ours'" in error_of("--images", ours, "--images", ours)
    assert "is not a file name with the placeholders" in error_of("--images", ours, "--pattern", "{name}.png")
    assert "--pattern is given twice" in error_of("--images", ours, "--pattern", "a", "--pattern", "b")
    assert "at 32x32 or larger" in error_of("--images", ours, "--size", "16", "11")
    assert "does not resize generated images to 128x88" in error_of(
        "--images", ours, "--protocol", "pidm", "--size", "128", "88"
    )
    assert "not a plain file of weights, or damaged" in error_of("--images", ours, "--weights", tmp_path / "broken")
    assert "holds files that are not part of a report" in error_of("--images", ours, "--out", tmp_path / "mine")
    assert "name its folder with --out" in error_of("--images", ours, "--sort", "ssim")
    assert "no vae/config.json" in error_of("--images", ours, "--vae", tmp_path / "nothing")
    assert "no such file or folder of keypoints" in error_of("--images", ours, "--keypoints", tmp_path / "nothing")
    assert "nothing to score" in error_of("--no-ground-truth")


def test_pose_accuracy(
    run: Callable[..., None],
    images: Callable[..., Path],
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ours = images()
    header, *rows = (data / "fashion-resize-annotation-test.csv").read_text().splitlines()
    poses = dict(row.split(":", 1) for row in rows)
    found = [f"{OURS.format(source=Path(s).stem, target=Path(t).stem)}:{poses[t]}" for s, t in pairs(data)]
    (tmp_path / "found.csv").write_text("\n".join([header, *found]))
    run("--images", ours, "--keypoints", f"ours={tmp_path / 'found.csv'}", "--json")
    ours_row, truth_row = json.loads(capsys.readouterr().out)["rows"]
    assert [ours_row["figures"][name] for name in ("pck_0.1", "pck_0.2", "oks")] == [1, 1, 1]
    assert "oks" not in truth_row["figures"]


def test_the_options_of_mannequin_quality() -> None:
    options = ["--model", "mannequin", "--identities", "9", "--poses", "2", "--seed", "3", "--json"]
    command = parse(["evaluate", "mannequin-quality", *options])
    assert (command.pipeline.model, command.identities, command.poses, command.json) == ("mannequin", 9, 2, True)
    assert command.sampling.seed == 3
