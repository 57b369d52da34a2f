"""`cfld data` as a user types it."""

import json
from pathlib import Path

import pytest
import tyro

from cfld.cli.data import Data
from cfld.data.registry import DATASETS
from support.data_tree import NAMES, save_image, write_lists, write_tree


def cfld_data(*arguments: object) -> None:
    tyro.cli(Data, args=[str(argument) for argument in arguments]).run()  # type: ignore[call-overload]


def test_mannequin_then_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "people"
    cfld_data("mannequin", "--out", out, "--identities", 2, "--poses", 2, "--seed", 1, "--size", 64, 44)
    assert capsys.readouterr().out.splitlines() == ["4 images written, 0 already present", str(out)]
    cfld_data("info", out)
    assert "test: pairs 2, images 2, image size [64, 44]" in capsys.readouterr().out


def test_info_counts_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = write_tree(tmp_path / "tree")
    (tree / "train" / NAMES[5]).unlink()
    cfld_data("info", tree, "--json")
    facts = json.loads(capsys.readouterr().out)
    assert (facts["kind"], list(facts["splits"])) == ("deepfashion", ["train"])
    assert {key: facts["splits"]["train"][key] for key in ("pairs", "images", "images_missing")} == {
        "pairs": 2,
        "images": 5,
        "images_missing": 1,
    }
    assert facts["splits"]["train"]["joints_seen_percent"] == 100


def test_deepfashion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lists(tmp_path)
    save_image(tmp_path / "img/WOMEN/Dresses/id_00000001/01_1_front.jpg")
    cfld_data("deepfashion", "--images", tmp_path / "img", "--lists", tmp_path, "--out", tmp_path / "out")
    assert capsys.readouterr().out.splitlines()[0] == "1 images written, 0 already present"
    assert (tmp_path / "out/train" / NAMES[0]).exists()


@pytest.mark.parametrize("command", [*DATASETS, "info"])
def test_every_data_set_has_a_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cfld_data(command, "--help")
    assert stopped.value.code == 0
    assert "folder" in capsys.readouterr().out.lower()
