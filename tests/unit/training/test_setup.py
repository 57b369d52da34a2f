import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from cfld import build
from cfld.config import io
from cfld.config.presets import tiny, tiny_model
from cfld.config.schema import DataConfig, TrainConfig, VAEStageConfig
from cfld.convert import save_model
from cfld.digests import Record
from cfld.training.loop import save
from cfld.training.setup import (
    check_run_dir,
    claim_run_dir,
    initial_components,
    make_accelerator,
    moving_average,
    prepare,
    total_steps,
)


def test_batch_and_accumulation_make_the_same_epoch(config: TrainConfig) -> None:
    paper = replace(config, max_steps=None, epochs=100, batch_size=14)
    assert total_steps(paper, 101_966, processes=16) == 45_500
    assert total_steps(replace(paper, batch_size=7, accumulation=2), 101_966, processes=16) == 45_500
    assert total_steps(paper, samples=3, processes=1) == 100


def test_a_run_with_other_frozen_weights_is_not_resumed(config: TrainConfig, tmp_path: Path) -> None:
    save(prepare(config, tmp_path, make_accelerator(config, tmp_path)))
    state = tmp_path / "checkpoints" / "step-00000000" / "state.json"
    state.write_text(state.read_text().replace('"frozen_weights": "', '"frozen_weights": "0'))
    Record(state.parent).add(state, {})
    with pytest.raises(ValueError, match="step-00000000 was saved with other frozen weights; restore"):
        prepare(config, tmp_path, make_accelerator(config, tmp_path))


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
    config = replace(config, ema_decay=0.9, max_steps=9)
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
    with pytest.raises(ValueError, match="batch_size must be between 1 and 4,096, got 0"):
        prepare(replace(config, batch_size=0), tmp_path / "run", accelerator)
    assert not (tmp_path / "run").exists()


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


def test_a_model_that_is_no_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(ValueError, match=r"no config.json"):
        check_run_dir(tmp_path, tiny())


def test_the_paths_of_a_configuration_survive_json(tmp_path: Path) -> None:
    config = TrainConfig(data=DataConfig(root=tmp_path), log_with=("tensorboard", "wandb"))
    claim_run_dir(tmp_path / "run", config)
    check_run_dir(tmp_path / "run", config)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(7)
    out = tmp_path_factory.mktemp("saved") / "model"
    save_model(build.build_components(tiny_model()), out, tiny_model().output_size)
    return out


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    other = b.state_dict()
    return all(torch.equal(tensor, other[name]) for name, tensor in a.state_dict().items())


def test_random_parts_are_the_seed_s() -> None:
    first, again, other = (initial_components(replace(tiny(), seed=seed)) for seed in (1, 1, 2))
    for part in ("conditioner", "unet", "vae"):
        assert same(getattr(first, part), getattr(again, part))
        assert not same(getattr(first, part), getattr(other, part))


def test_init_from_gives_all_that_it_has_and_the_seed_the_rest(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "vae-only"
    shutil.copytree(saved / "vae", folder / "vae")
    random, whole, partly = (
        initial_components(replace(tiny(), init_from=init)) for init in (None, str(saved), str(folder))
    )
    assert same(partly.vae, whole.vae)
    assert not same(partly.vae, random.vae)
    assert same(partly.unet, random.unet)
    assert same(partly.conditioner, random.conditioner)
    assert not same(whole.conditioner, random.conditioner)
    assert all(buffer.isfinite().all() for buffer in whole.conditioner.buffers())


def test_the_saved_scale_of_the_latents_counts(saved: Path, tmp_path: Path) -> None:
    components = initial_components(replace(tiny(), init_from=str(saved)))
    components.vae.register_to_config(scaling_factor=0.5)
    components.vae.save_pretrained(tmp_path / "vae")
    assert initial_components(replace(tiny(), init_from=str(tmp_path))).vae.config.scaling_factor == 0.5


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("conditioner", {"num_queries": 5}, r"conditioner does not fit.*num_queries 4 instead of 5"),
        ("unet", {"num_heads": 4}, r"unet does not fit.*attention_head_dim 2 instead of 4"),
        ("vae", {"latent_channels": 8}, r"vae does not fit.*latent_channels 4 instead of 8"),
        ("scheduler", {"prediction_type": "v_prediction"}, "prediction_type epsilon instead of v_prediction"),
    ],
)
def test_other_dimensions_are_one_clear_line(saved: Path, part: str, change: dict, message: str) -> None:
    model = replace(tiny_model(), **{part: replace(getattr(tiny_model(), part), **change)})
    with pytest.raises(ValueError, match=message):
        initial_components(replace(tiny(), model=model, init_from=str(saved)))


def test_a_folder_without_any_component_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no initial model"):
        initial_components(TrainConfig(init_from=str(tmp_path)))
