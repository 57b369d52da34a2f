"""Published model files: downloaded once, verified, and named with their licence where they cannot be had."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cfld.poses.detectors import files
from cfld.poses.estimate import open_detector
from support.dotted_people import SIZE
from support.onnx_models import dot_finder


def unreachable(file: files.ModelFile) -> files.ModelFile:
    return files.ModelFile(**{**vars(file), "url": "http://127.0.0.1:9/none.onnx"})


def test_a_missing_file_is_named_with_its_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"mine.onnx: no such file.*dw-ll_ucoco_384.onnx.*Apache-2.0"):
        open_detector("rtmpose", tmp_path / "mine.onnx")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(files, "DWPOSE", unreachable(files.DWPOSE))
    with pytest.raises(
        FileNotFoundError, match=r"put the file there.*--model.*134 MB.*Apache-2.0.*SHA-256 724f"
    ) as error:
        open_detector("rtmpose")
    assert str(tmp_path / "hub" / "checkpoints" / "dw-ll_ucoco_384.onnx") in str(error.value)


def test_a_download_is_kept_once_it_is_the_right_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    published = dot_finder(tmp_path / "published.onnx", SIZE)
    fields = {**vars(files.DWPOSE), "url": published.as_uri()}
    with pytest.raises(FileNotFoundError, match="invalid hash"):
        files.obtain(files.ModelFile(**fields))
    digest = hashlib.sha256(published.read_bytes()).hexdigest()
    path = files.obtain(files.ModelFile(**{**fields, "sha256": digest}))
    published.unlink()
    assert files.obtain(files.ModelFile(**{**fields, "sha256": digest})) == path
    assert path.parent == tmp_path / "cache" / "hub" / "checkpoints"
