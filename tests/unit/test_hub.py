from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from diffusers import DiffusionPipeline

from cfld.hub import export, model_card
from cfld.pipeline import CFLDPipeline
from support.commands import run


def test_stock_diffusers_opens_the_folder(make_pipe: Callable[..., CFLDPipeline], tmp_path: Path) -> None:
    pipe, hub = make_pipe(), str(tmp_path / "hub")
    export(pipe, Path(hub))
    opened = DiffusionPipeline.from_pretrained(hub, custom_pipeline=hub, trust_remote_code=True)
    assert type(opened) is CFLDPipeline
    assert all(torch.equal(p, q) for p, q in zip(pipe.unet.parameters(), opened.unet.parameters(), strict=True))


def test_no_file_tells_where_the_model_came_from(pipe: CFLDPipeline, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path / "secret")
    export(CFLDPipeline.from_pretrained(tmp_path / "secret"), tmp_path / "hub")
    texts = [file.read_text() for file in (tmp_path / "hub").rglob("*.*") if file.suffix in {".json", ".md", ".py"}]
    assert len(texts) >= 6
    assert not any("secret" in text for text in texts)
    assert all(json.loads(file.read_text()) for file in (tmp_path / "hub").rglob("*.json"))


@pytest.mark.parametrize("license", [None, "mit"])
def test_the_card_has_the_metadata_of_hubs(pipe: CFLDPipeline, license: str | None) -> None:
    _, metadata, text = model_card(pipe, "ours", license).split("---\n", 2)
    read = yaml.safe_load(metadata)
    assert read.get("license") == license
    assert read["library_name"] == "diffusers"
    assert 'from_pretrained("ours")' in text
    assert "64x44 pixels, weights in\nfloat32." in text
    for part in ("conditioner", "unet", "vae"):
        millions = sum(p.numel() for p in getattr(pipe, part).parameters()) / 1e6
        assert f"| `{part}` | `{type(getattr(pipe, part)).__name__}` | {millions:.1f} M |" in text


def test_the_command_converts_the_weights(tmp_path: Path) -> None:
    run("export", "--hub", tmp_path / "hub", "--dtype", "float16", "--license", "apache-2.0")
    assert "weights in\nfloat16." in (tmp_path / "hub/README.md").read_text()
    assert CFLDPipeline.from_pretrained(tmp_path / "hub", torch_dtype=torch.float16).unet.dtype == torch.float16
