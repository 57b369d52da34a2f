from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from cfld.config.schema import TrainConfig
from cfld.training.loop import save
from cfld.training.setup import make_accelerator, moving_average, prepare, total_steps


def test_batch_and_accumulation_make_the_same_epoch(config: TrainConfig) -> None:
    paper = replace(config, max_steps=None, epochs=100, batch_size=14)
    assert total_steps(paper, 101_966, processes=16) == 45_500
    assert total_steps(replace(paper, batch_size=7, accumulation=2), 101_966, processes=16) == 45_500
    assert total_steps(paper, samples=3, processes=1) == 100


def test_a_run_with_other_frozen_weights_is_not_resumed(config: TrainConfig, tmp_path: Path) -> None:
    save(prepare(config, tmp_path, make_accelerator(config, tmp_path)))
    state = tmp_path / "checkpoints" / "step-00000000" / "state.json"
    state.write_text(state.read_text().replace('"frozen": "', '"frozen": "0'))
    with pytest.raises(ValueError, match="was saved with frozen="):
        prepare(config, tmp_path, make_accelerator(config, tmp_path))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_fp16_without_a_gpu_is_one_clear_line(config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fp16 needs a GPU; use bf16 or no"):
        make_accelerator(replace(config, precision="fp16"), tmp_path)


def test_an_unknown_tracker_is_an_error(config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nosuch"):
        make_accelerator(replace(config, log_with=("nosuch",)), tmp_path)


def test_a_tracker_that_is_not_installed_is_reported(
    config: TrainConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_accelerator(replace(config, log_with=("tensorboard", "aim")), tmp_path)
    assert caplog.messages == ["trackers that are not installed are ignored: aim"]


def test_the_average_follows_its_formula() -> None:
    weight = nn.Parameter(torch.tensor([0.0]))
    average = moving_average({"w": weight}, 0.5)
    expected = 0.0
    for step in range(1, 30):
        weight.data.fill_(float(step))
        average.step([weight])
        d = min(0.5, (1 + step) / (10 + step))
        expected = d * expected + (1 - d) * step
    assert average.shadow_params[0].item() == pytest.approx(expected, rel=1e-6)
    assert weight.item() == 29


def test_a_resumed_average_goes_on_with_its_decay_and_weights(config: TrainConfig, tmp_path: Path) -> None:
    config = replace(config, ema_decay=0.9)
    runs = []
    for _ in range(2):
        run = prepare(config, tmp_path, make_accelerator(config, tmp_path))
        runs.append(run)
        if len(runs) == 1:
            run.average.shadow_params[0].fill_(3.0)
            run.step = run.average.optimization_step = 7
            save(run)
    assert runs[1].step == runs[1].average.optimization_step == 7
    saved, loaded = (run.averaged_weights() for run in runs)
    assert saved.keys() == loaded.keys() == runs[0].parameters.keys()
    assert all(torch.equal(saved[name], weight) for name, weight in loaded.items())


def test_averaged_weights_are_in_the_model_only_inside(config: TrainConfig, tmp_path: Path) -> None:
    config = replace(config, ema_decay=0.9)
    run = prepare(config, tmp_path, make_accelerator(config, tmp_path))
    name, weight = next(iter(run.parameters.items()))
    averaged = run.averaged_weights()[name].clone()
    weight.data.fill_(5.0)
    with run.weights_to_save():
        assert torch.equal(weight, averaged)
        assert not run.stage.objective.training
    assert (weight == 5).all()
    assert run.stage.objective.training


def test_an_invalid_configuration_leaves_no_directory(config: TrainConfig, tmp_path: Path) -> None:
    accelerator = make_accelerator(config, tmp_path)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        prepare(replace(config, batch_size=0), tmp_path / "run", accelerator)
    assert not (tmp_path / "run").exists()
