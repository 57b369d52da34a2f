"""Every stage of the registry trains and resumes by the loop that all of them share."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cfld.config.schema import StageConfig, TrainConfig
from cfld.training.loop import train
from cfld.training.stages import STAGES

OPTIONS = {kind.name: kind for kind in StageConfig.__subclasses__()}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_that_was_stopped_ends_as_one_that_was_not(name: str, config: TrainConfig, tmp_path: Path) -> None:
    base = replace(config, stage=OPTIONS["unet-pretrain"](), max_steps=1)
    train(base, tmp_path / "base")  # has all that a stage can start from
    config = replace(config, stage=OPTIONS[name](), init_from=str(tmp_path / "base" / "model"), max_steps=2)
    for out, lengths in (("at once", [2]), ("in two", [1, 2])):
        for steps in lengths:
            run = train(replace(config, max_steps=steps), tmp_path / out)
            assert run.step == steps
    weights = [
        load_file(tmp_path / out / "checkpoints" / "step-00000002" / "weights.safetensors")
        for out in ("at once", "in two")
    ]
    assert weights[0].keys() == weights[1].keys()
    different = [key for key, weight in weights[0].items() if not torch.equal(weight, weights[1][key])]
    assert different == []
