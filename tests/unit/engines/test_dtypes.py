from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cfld.cli import parse
from cfld.cli.options import PipelineOptions, recipe_of
from cfld.cli.output import settings_of
from cfld.engines.dtypes import CANDIDATES, FILE, fastest_dtype, machine

CPU = torch.device("cpu")


def test_a_machine_is_timed_once_and_remembered(tmp_path: Path) -> None:
    found = fastest_dtype(CPU, "torch", tmp_path)
    assert found in CANDIDATES["cpu"]
    assert json.loads((tmp_path / FILE).read_text()) == {machine(CPU): found}
    other = next(name for name in CANDIDATES["cpu"] if name != found)
    (tmp_path / FILE).write_text(json.dumps({machine(CPU): other, "another machine": "float16"}))
    assert fastest_dtype(CPU, "torch", tmp_path) == other
    (tmp_path / FILE).write_text(json.dumps({machine(CPU): "float8"}))
    with pytest.raises(ValueError, match=r"dtypes.json: 'float8' is not a dtype; remove the file"):
        fastest_dtype(CPU, "torch", tmp_path)


def test_openvino_computes_in_what_the_processor_has(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    assert fastest_dtype(CPU, "openvino", tmp_path) in ("float32", "bfloat16")


def test_the_settings_name_the_dtype_that_auto_stands_for(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({machine(CPU): "bfloat16"}))
    options = ["--dtype", "auto", "--device", "cpu", "--engine-cache", str(tmp_path)]
    command = parse(["generate", "--source", "a.png", "--target-pose", "3", "--out", "o", *options])
    assert settings_of(command)["dtype"] == "bfloat16"
    assert recipe_of(command.sampling, command.recipe, command.pipeline).dtype == "bfloat16"
    assert PipelineOptions(device="cpu", dtype="auto", engine_cache=tmp_path).open().unet.dtype == torch.bfloat16
