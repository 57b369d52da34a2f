import json
from pathlib import Path

import pytest

from cfld.config import io
from cfld.config.presets import PRESETS
from cfld.config.schema import DataConfig, ModelConfig, SamplingConfig, StageConfig, TrainConfig


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_their_json(name: str, tmp_path: Path) -> None:
    config = PRESETS[name]()
    io.save(config, tmp_path / "config.json")
    assert io.load(TrainConfig, tmp_path / "config.json") == config


def test_paths_and_tuples_come_back() -> None:
    config = TrainConfig(data=DataConfig(root=Path("data/x")), log_with=("none", "tensorboard"))
    again = io.from_dict(TrainConfig, json.loads(json.dumps(io.to_dict(config))))
    assert again == config
    assert isinstance(again.data.root, Path)


def test_fields_that_are_not_given_keep_their_defaults() -> None:
    assert io.from_dict(SamplingConfig, {"steps": 3}) == SamplingConfig(steps=3)


@pytest.mark.parametrize("name", ["cfld", "vae", "unet-pretrain", "source-pretrain"])
def test_a_stage_is_read_by_its_name(name: str) -> None:
    stages = {stage.name: stage for stage in StageConfig.__subclasses__()}
    stage = io.from_dict(TrainConfig, {"stage": {"name": name}}).stage
    assert stage == stages[name]()


@pytest.mark.parametrize("stage", ["cfld", {}, {"name": "base"}, {"name": "vae", "flip": 0.5}])
def test_a_stage_that_does_not_exist_is_an_error(stage: object) -> None:
    with pytest.raises(ValueError, match="StageConfig"):
        io.from_dict(TrainConfig, {"stage": stage})


@pytest.mark.parametrize("values", [{"stepz": 3}, {"model": {"unet": {"depth": 3}}}, [], 5, {"model": 5}])
def test_unknown_fields_and_shapes_are_errors(values: object, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"config\.json: not a TrainConfig"):
        io.load(TrainConfig, tmp_path / "config.json")


def test_a_file_that_is_not_json_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json: not JSON"):
        io.load(ModelConfig, tmp_path / "config.json")
