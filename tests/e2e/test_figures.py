"""`cfld figures` on a tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.claims import contents
from cfld.cli import main
from cfld.reproduction.figures import FIGURES, MAX_BYTES


def test_one_command_writes_all(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "figures"
    main(["figures", "--model", str(model_folder), "--steps", "1", "--seed", "3", "--device", "cpu", "--out", str(out)])
    files = [out / f"{name}.jpg" for name in FIGURES]
    assert capsys.readouterr().out.split() == [str(file) for file in files]
    assert {path.name for path in contents(out)} == {*(file.name for file in files), "config.json"}
    for file in files:
        assert file.stat().st_size <= MAX_BYTES
        assert np.asarray(Image.open(file)).std() > 10


def test_a_negative_seed_is_an_error(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["figures", "--model", str(model_folder), "--seed", "-1", "--out", str(tmp_path / "x")])
    assert stopped.value.code == 2
    assert "must not be negative, got -1" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
