"""The experiment on re-identification at the smallest scale."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cfld.cli import main
from cfld.data.reidentification import read_reid_folder
from cfld.reproduction.reid import SEEDS, STARTS, reproduce_reid, write_people
from cfld.reproduction.scales import SCALES, ReidScale
from cfld.reproduction.tables import Options


def test_people_are_written_in_the_layout_of_the_field(tmp_path: Path) -> None:
    write_people(tmp_path, ReidScale(people=3, test_people=2), seed=0)
    train, query, gallery = (
        list(read_reid_folder(tmp_path / name).values())
        for name in ("bounding_box_train", "query", "bounding_box_test")
    )
    assert [(name.identity, name.camera) for name in train] == [(1, 1), (2, 1), (2, 2), (3, 1)]
    assert [(name.identity, name.camera) for name in query] == [(4, 1), (4, 2), (5, 1), (5, 2)]
    assert {name.identity for name in gallery}.isdisjoint({name.identity for name in train})
    assert {name.camera for name in gallery} == {1, 2}


def test_four_networks_a_seed_and_finished_seeds_are_not_repeated(tmp_path: Path, model_folder: Path) -> None:
    out, options = tmp_path / "out", Options(init_from=str(model_folder))
    results = reproduce_reid(SCALES["tiny"], out, options)
    assert {(row.start, row.augmented) for row in results.rows[1:]} == {(s, a) for s in STARTS for a in (False, True)}
    assert all(len(row.scores) == len(SEEDS) for row in results.rows)
    assert all(0 <= score.rank_1 <= 1 and score.queries == 6 for row in results.rows for score in row.scores)
    assert json.loads((out / "reid.json").read_text()) == json.loads(json.dumps(results.to_json()))
    first = (out / "reid/seed0.json").stat().st_mtime_ns
    (out / "reid/seed1.json").unlink()
    again = reproduce_reid(SCALES["tiny"], out, options)
    assert (out / "reid/seed0.json").stat().st_mtime_ns == first
    for row, other in zip(results.rows, again.rows, strict=True):
        np.testing.assert_allclose(
            [score.mean_average_precision for score in row.scores],
            [score.mean_average_precision for score in other.scores],
            atol=1e-4,
        )


def test_a_scale_of_photographs_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["reproduce", "reid", "--scale", "deepfashion-256", "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert "choose --scale mannequin" in capsys.readouterr().err
