"""The detectors' model files: named with their licence where they are missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cfld.poses.detectors import files
from cfld.poses.estimate import open_detector


def test_a_missing_file_is_named_with_its_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"mine.onnx: no such file.*dw-ll_ucoco_384.onnx.*Apache-2.0.*https:"):
        open_detector("rtmpose", tmp_path / "mine.onnx")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(files, "DWPOSE", replace(files.DWPOSE, url="http://127.0.0.1:9/dw-ll_ucoco_384.onnx"))
    with pytest.raises(
        FileNotFoundError, match=r"put the file there.*--model.*134 MB.*Apache-2.0.*SHA-256 724f"
    ) as error:
        open_detector("rtmpose")
    assert str(tmp_path / "hub" / "checkpoints" / "dw-ll_ucoco_384.onnx") in str(error.value)
