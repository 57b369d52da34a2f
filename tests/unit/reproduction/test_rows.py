from __future__ import annotations

import pytest

from cfld.build import CONDITIONERS, build_components
from cfld.config.presets import deepfashion_256, tiny
from cfld.config.schema import SamplingConfig
from cfld.metrics.registry import METRICS
from cfld.models.unet import freeze_except
from cfld.reproduction.rows import TABLE_3, TABLE_5, TABLES, Ablation

ABLATIONS = pytest.mark.parametrize("row", TABLE_3.values(), ids=TABLE_3)


@ABLATIONS
def test_conditioners_are_known(row: Ablation) -> None:
    assert row.conditioner in CONDITIONERS


@ABLATIONS
def test_the_trained_weights_of_the_unet_are_those_of_the_table(row: Ablation) -> None:
    config = row.apply(tiny())
    names = freeze_except(build_components(config.model).unet, config.stage.unet_weights)
    letters = row.columns["trainable"].split(", ")
    assert {name.split(".")[-2] for name in names} == {f"to_{letter.lower()}" for letter in letters}


def test_a_row_changes_only_its_conditioner_and_its_trainable_weights() -> None:
    config = deepfashion_256()
    assert TABLE_3["Ours"].apply(config) == config
    b4 = TABLE_3["B4"].apply(config)
    assert (b4.data, b4.optim, b4.batch_size, b4.seed) == (config.data, config.optim, config.batch_size, config.seed)


@pytest.mark.parametrize(("table", "best"), [(TABLE_3, "Ours"), (TABLE_5, "both, 2")])
def test_ours_is_the_paper_s_best_by_every_metric(table: dict[str, Ablation], best: str) -> None:
    for metric in table[best].paper:
        choose = max if METRICS[metric].higher_is_better else min
        assert choose(table, key=lambda name: table[name].paper[metric]) == best


def test_the_best_guidance_is_the_default() -> None:
    assert TABLE_5["both, 2"].apply(SamplingConfig()) == SamplingConfig()


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_functions(name: str) -> None:
    assert callable(TABLES[name])
