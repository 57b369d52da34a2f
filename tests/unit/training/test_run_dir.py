from dataclasses import replace
from pathlib import Path

import pytest

from cfld.config import io
from cfld.config.presets import tiny
from cfld.config.schema import DataConfig, TrainConfig, VAEStageConfig
from cfld.training.run_dir import check_run_dir, claim_run_dir


def test_a_new_folder_gets_the_configuration(tmp_path: Path) -> None:
    claim_run_dir(tmp_path / "new", tiny())
    assert io.load(TrainConfig, tmp_path / "new" / "config.json") == tiny()


def test_another_run_s_folder_is_refused_naming_the_fields(tmp_path: Path) -> None:
    claim_run_dir(tmp_path, tiny())
    other = replace(tiny(), batch_size=3, data=replace(tiny().data, root=Path("elsewhere")))
    with pytest.raises(ValueError, match=r"data.root: None -> elsewhere, batch_size: 2 -> 3\); choose another --out"):
        check_run_dir(tmp_path, other)
    assert io.load(TrainConfig, tmp_path / "config.json") == tiny()


def test_length_and_logging_may_change(tmp_path: Path) -> None:
    claim_run_dir(tmp_path, tiny())
    longer = replace(tiny(), max_steps=9, log_every=7, data=replace(tiny().data, workers=3))
    check_run_dir(tmp_path, longer)
    claim_run_dir(tmp_path, longer)
    assert io.load(TrainConfig, tmp_path / "config.json") == longer


def test_a_check_writes_nothing(tmp_path: Path) -> None:
    check_run_dir(tmp_path / "new", tiny())
    assert not (tmp_path / "new").exists()


def test_another_stage_is_another_run(tmp_path: Path) -> None:
    claim_run_dir(tmp_path, tiny())
    with pytest.raises(ValueError, match=r"stage.name: cfld -> vae, .*stage.crop: None -> 32"):
        check_run_dir(tmp_path, replace(tiny(), stage=VAEStageConfig(crop=32)))


def test_the_remains_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    remains = [tmp_path / "checkpoints" / ".step-00000002-x", tmp_path / "model.new", tmp_path / ".model.new-y"]
    for folder in remains:
        folder.mkdir(parents=True)
    (tmp_path / "latents").mkdir()
    (tmp_path / "latents" / ".done.7.part").touch()
    claim_run_dir(tmp_path, tiny())
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["checkpoints", "config.json", "latents"]


def test_a_model_that_is_no_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(ValueError, match=r"no config.json"):
        check_run_dir(tmp_path, tiny())


def test_the_paths_of_a_configuration_survive_json(tmp_path: Path) -> None:
    config = TrainConfig(data=DataConfig(root=tmp_path), log_with=("tensorboard", "wandb"))
    claim_run_dir(tmp_path / "run", config)
    check_run_dir(tmp_path / "run", config)
