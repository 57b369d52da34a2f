"""`cfld reproduce` at the smallest scale: rows are trained, generated and scored; finished steps are not repeated."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cfld.ablations.conditioners import CLIPConditioner, clip_vision_config
from cfld.build import CONDITIONERS, build_conditioner
from cfld.cli import main
from cfld.config.presets import tiny_model
from cfld.pipeline import CFLDPipeline
from cfld.readers.text import load_object
from cfld.reproduction.rows import TABLE_3, TABLE_5
from cfld.reproduction.scales import SCALES
from cfld.reproduction.tables import Experiment, Options

ARGUMENTS = ["--scale", "tiny", "--max-steps", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tables")
    main(["reproduce", "table3", "--out", str(out), *ARGUMENTS])
    return out


def test_every_row_has_its_conditioner_the_shared_base_and_all_images(folder: Path) -> None:
    table = load_object(folder / "table3.json")
    assert [row["name"] for row in table["rows"]] == list(TABLE_3)
    for name, row in TABLE_3.items():
        pipe = CFLDPipeline.from_pretrained(folder / "runs" / name / "model")
        assert type(pipe.conditioner) is CONDITIONERS[row.conditioner]
        assert load_object(folder / "runs" / name / "config.json")["init_from"] == str(folder / "start-rows")
        assert len(list((folder / "pictures" / name).glob("*.png"))) == table["settings"]["n"] == 2


def test_the_figures_are_those_of_cfld_evaluate(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = load_object(folder / "table3.json")["rows"][-1]
    images = f"Ours={folder / 'pictures' / 'Ours'}"
    main(["evaluate", "images", "--data", str(folder / "data"), "--images", images, "--json"])
    scored = json.loads(capsys.readouterr().out)["rows"][0]
    figures = scored.get("figures", scored)
    assert figures["ssim"] == pytest.approx(row["figures"]["ssim"])


def test_the_same_command_repeats_no_finished_step(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    missing = next(iter(before))
    missing.unlink()
    main(["reproduce", "table3", "--out", str(folder), *ARGUMENTS])
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    assert {path for path in before if after[path] != before[path]} == {missing}


def test_table_5_uses_the_model_of_the_row_ours_and_generates_five_times(folder: Path) -> None:
    model = folder / "runs" / "Ours" / "model" / "unet"
    weights = next(model.glob("*.safetensors")).read_bytes()
    main(["reproduce", "table5", "--out", str(folder), *ARGUMENTS])
    assert next(model.glob("*.safetensors")).read_bytes() == weights
    table = load_object(folder / "table5.json")
    assert [row["name"] for row in table["rows"]] == list(TABLE_5)
    assert len({row["figures"]["psnr"] for row in table["rows"]}) == len(TABLE_5)
    assert table["rows"][3]["paper"]["fid"] == 6.804
    assert (folder / "table5.md").read_text().startswith("**Table 5")


def test_b2_starts_from_the_pretrained_encoder_given(folder: Path, tmp_path: Path) -> None:
    from transformers import CLIPVisionModel

    made = build_conditioner(tiny_model().conditioner, "CLIPConditioner")
    assert isinstance(made, CLIPConditioner)
    CLIPVisionModel(clip_vision_config(made)).save_pretrained(tmp_path / "clip")
    shutil.copytree(folder / "runs" / "base", tmp_path / "out" / "runs" / "base")
    shutil.copytree(folder / "latents", tmp_path / "out" / "latents")
    scale = replace(SCALES["tiny"], clip="FrozenCLIPConditioner")
    with pytest.raises(ValueError, match="--clip"):
        Experiment(scale, tmp_path / "out2", Options(max_steps=1)).row("B2")
    shutil.rmtree(tmp_path / "out2")
    model = Experiment(scale, tmp_path / "out2", Options(max_steps=1, clip=str(tmp_path / "clip"))).row("B2")
    trained = CFLDPipeline.from_pretrained(model).conditioner.source_encoder.clip.state_dict()
    published = CLIPVisionModel.from_pretrained(tmp_path / "clip").state_dict()
    assert all((trained[name] == weight).all() for name, weight in published.items())


def test_a_scale_of_photographs_needs_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["reproduce", "table5", "--scale", "deepfashion-256", "--out", str(tmp_path / "out")])
    assert exit_info.value.code == 2
    assert "data" in capsys.readouterr().err
