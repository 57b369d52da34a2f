"""`cfld doctor` and `cfld download` as a newcomer calls them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from cfld.cli import main
from cfld.cli.download import CHECKPOINT
from cfld.poses.detectors.files import POSE_LANDMARKER
from support.network import UNREACHABLE, proxies


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def test_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    POSE_LANDMARKER.path().parent.mkdir(parents=True)
    POSE_LANDMARKER.path().write_bytes(b"another")
    main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["packages"]["torch"]
    assert report["memory_gb"] > 0
    files = {Path(file["path"]).name: file for file in report["files"]}
    assert files[POSE_LANDMARKER.name] | {"path": ""} == {
        "path": "", "size": 7, "genuine": False, "about": POSE_LANDMARKER.about
    }  # fmt: skip
    assert files["yolox_l.onnx"]["size"] is None
    works = {one["what"]: one for one in report["works"]}
    assert works["plain backgrounds, --background plain"]["command"].endswith("cfld download pose")
    assert not works["the released weights: the tutorial's part B"]["works"]
    main(["doctor"])
    text = capsys.readouterr().out
    assert "WRONG DIGEST" in text
    assert "absent" in text
    assert "no  the released weights: the tutorial's part B: cfld download cfld" in text


def message(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped, proxies(http=UNREACHABLE, https=UNREACHABLE):
        main(arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_without_network_file_and_place_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    text = message(["download", "pose"], capsys)
    assert f"{POSE_LANDMARKER.path()} is missing and cannot be downloaded from {POSE_LANDMARKER.url}" in text
    assert f"SHA-256 {POSE_LANDMARKER.sha256}" in text
    text = message(["download", "sd15", "--to", "sd15"], capsys)
    assert "sd15/scheduler/scheduler_config.json is missing" in text
    assert "needs --to" in message(["download", "sd15-unet"], capsys)


def test_another_file_is_not_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / POSE_LANDMARKER.name).write_bytes(b"another")
    assert "is not the published file" in message(["download", "pose", "--to", "to"], capsys)


def test_the_authors_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = message(["download", "cfld", "--to", "cfld"], capsys)
    assert "pytorch_model.bin and pytorch_model_1.bin missing" in text
    assert "https://github.com/YanzuoLu/CFLD" in text
    (tmp_path / "cfld").mkdir(exist_ok=True)
    for name in CHECKPOINT:
        with zipfile.ZipFile(tmp_path / "cfld" / name, "w") as archive:
            archive.writestr("data.pkl", b"")
    main(["download", "cfld", "--to", "cfld"])
    assert "next: cfld convert --checkpoint cfld" in capsys.readouterr().out
    whole = tmp_path / "cfld" / CHECKPOINT[1]
    whole.write_bytes(whole.read_bytes()[:-8])
    assert "no whole file of torch.save" in message(["download", "cfld", "--to", "cfld"], capsys)
