from dataclasses import replace
from pathlib import Path

import pytest

from cfld.config import io
from cfld.config.presets import tiny
from cfld.config.schema import DataConfig, TrainConfig
from cfld.training.run_dir import claim_folder


def test_a_new_folder_gets_the_configuration(tmp_path: Path) -> None:
    claim_folder(tmp_path / "new", tiny())
    assert io.load(TrainConfig, tmp_path / "new" / "config.json") == tiny()


def test_another_run_s_folder_is_refused_naming_the_fields(tmp_path: Path) -> None:
    claim_folder(tmp_path, tiny())
    other = replace(tiny(), batch_size=3, data=replace(tiny().data, root=Path("elsewhere")))
    with pytest.raises(ValueError, match=r"data.root: None -> elsewhere, batch_size: 2 -> 3\); choose another --out"):
        claim_folder(tmp_path, other)
    assert io.load(TrainConfig, tmp_path / "config.json") == tiny()


def test_length_and_logging_may_change(tmp_path: Path) -> None:
    claim_folder(tmp_path, tiny())
    longer = replace(tiny(), max_steps=9, log_every=7, data=replace(tiny().data, workers=3))
    claim_folder(tmp_path, longer)
    assert io.load(TrainConfig, tmp_path / "config.json") == longer


def test_other_processes_only_check(tmp_path: Path) -> None:
    claim_folder(tmp_path / "new", tiny(), write=False)
    assert not (tmp_path / "new").exists()


def test_a_model_that_is_no_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(ValueError, match=r"no config.json"):
        claim_folder(tmp_path, tiny())


def test_the_paths_of_a_configuration_survive_json(tmp_path: Path) -> None:
    config = TrainConfig(data=DataConfig(root=tmp_path), log_with=("tensorboard", "wandb"))
    claim_folder(tmp_path / "run", config)
    claim_folder(tmp_path / "run", config)
