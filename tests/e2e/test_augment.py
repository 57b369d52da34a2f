"""`cfld augment` and `cfld features` as people run them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from support.commands import error_line, run
from support.reid_folder import DUKE, MARKET, write_reid

QUICK = ("--steps", 1, "--device", "cpu")


def test_augment(tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_reid(tmp_path / "data", MARKET)
    command = ("augment", "--data", data, "--out", tmp_path / "out", "--model", model_folder, *QUICK)
    run(*command, "--per-identity", 2, "--json")
    assert json.loads(capsys.readouterr().out) == {"generated": 4, "kept": 4, "out": str(tmp_path / "out")}
    run(*command, "--per-identity", 1, "--min-similarity", 1)
    assert "2 images generated, 0 of them kept" in capsys.readouterr().out
    assert "images of other settings (seed)" in error_line(capsys, *command, "--seed", 1)
    with pytest.raises(SystemExit):
        run(*command[:4], data / "out", *command[5:])
    assert "lies in" in capsys.readouterr().err


def test_bad_data_is_one_line(tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_reid(tmp_path / "data", DUKE, annotated=False)
    command = ("augment", "--out", tmp_path / "out", "--model", model_folder, *QUICK, "--data")
    assert "--annotations" in error_line(capsys, *command, data)
    assert "no such folder" in error_line(capsys, *command, tmp_path / "none")
    assert "per_identity must be" in error_line(capsys, *command, data, "--per-identity", 0)
    assert not (tmp_path / "out").exists()


def test_features(tmp_path: Path, photo: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "features.npz"
    run("features", "--source", photo, "--model", model_folder, "--device", "cpu", "--out", out)
    assert capsys.readouterr().out == f"1 images in {out}\n"
    with np.load(out) as arrays:
        assert arrays["names"].tolist() == ["me.png"]
        assert arrays["f_1"].shape[0] == arrays["prompt"].shape[0] == 1
    written = out.read_bytes()
    photo.write_bytes(b"cut")
    assert "me.png" in error_line(capsys, "features", "--source", photo, "--model", model_folder, "--out", out)
    assert out.read_bytes() == written
    assert "use one of .npz" in error_line(capsys, "features", "--source", photo, "--out", tmp_path / "features.csv")
