"""The OpenVINO engine against PyTorch, its folder of exports, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from cfld.config.recipes import Recipe
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints

pytest.importorskip("openvino")
RECIPE = Recipe(steps=3, engine="openvino", dtype="float32")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.fixture
def own(make_pipe: Callable[..., CFLDPipeline]) -> CFLDPipeline:
    return make_pipe()


def latents(pipe: CFLDPipeline, person: Image.Image, pose: Keypoints | list[Keypoints]) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    found: Tensor = pipe(person, pose, generator=generator, output_type="latent").images
    return found


def test_it_computes_what_pytorch_does(
    own: CFLDPipeline, person: Image.Image, poses: list[Keypoints], cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = latents(own.use_recipe(Recipe(steps=3)), person, poses[0])
    own.use_recipe(RECIPE, cache)
    torch.testing.assert_close(latents(own, person, poses[0]), expected, atol=1e-3, rtol=1e-4)
    assert [record.getMessage()[:53] for record in caplog.records] == [
        "exporting the UNet to OpenVINO in float32 for latents"
    ]
    caplog.clear()
    own.use_recipe(Recipe(steps=2)).use_recipe(RECIPE, cache)  # a new engine finds the export, for any batch size
    assert latents(own, person, poses[:2]).isfinite().all()
    assert caplog.records == []
    engine = own._engine
    assert own.use_recipe(RECIPE, steps=1)._engine is engine  # and its folder


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-4), ("bfloat16", 0.03)])
def test_it_decodes_as_pytorch_does(own: CFLDPipeline, cache: Path, dtype: Any, bound: float) -> None:
    z = torch.randn(2, *own._prepare_latents(1, None, None).shape[1:], generator=torch.Generator().manual_seed(0))
    expected = own._decode(z, (64, 44), "pt")
    found = own.use_recipe(RECIPE, cache, dtype=dtype)._decode(z, (64, 44), "pt")
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < bound


def test_with_kept_features_and_an_interval(
    own: CFLDPipeline, person: Image.Image, poses: list[Keypoints], cache: Path
) -> None:
    changes = {"steps": 4, "feature_cache": 2, "guidance_interval": (0.5, 1.0)}
    expected = latents(own.use_recipe(Recipe(), **changes), person, poses[0])
    own.use_recipe(RECIPE, cache, **changes)
    torch.testing.assert_close(latents(own, person, poses[0]), expected, atol=1e-3, rtol=1e-4)


@pytest.mark.slow
def test_a_damaged_export_is_made_again_and_one_of_other_weights_refused(
    own: CFLDPipeline, person: Image.Image, poses: list[Keypoints], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def generate() -> None:
        latents(own.use_recipe("exact").use_recipe(RECIPE, tmp_path, steps=1), person, poses[0])

    generate()
    (file,) = (tmp_path / "openvino").glob("*/model.bin")
    file.write_bytes(file.read_bytes()[:-10])
    generate()
    assert len(caplog.records) == 2
    record = file.with_name("digests.jsonl")
    lines = [json.loads(line) for line in record.read_text().splitlines() if line]
    for line in lines:
        line["origin"]["weights"] = "0" * 24
    record.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(ValueError, match=r"is of another model \(weights changed\); remove it"):
        generate()


@pytest.mark.slow
def test_int8_is_close(own: CFLDPipeline, person: Image.Image, poses: list[Keypoints], cache: Path) -> None:
    expected = latents(own.use_recipe(Recipe(steps=3)), person, poses[0])
    found = latents(own.use_recipe(RECIPE, cache, dtype="int8"), person, poses[0])
    assert 0 < (found - expected).abs().mean() < 0.1 * expected.abs().mean()


def test_a_package_that_is_missing(own: CFLDPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "openvino", None)
        with pytest.raises(ValueError, match=r"engine openvino needs openvino: pip install 'cfld\[openvino\]'"):
            own.use_recipe(RECIPE)
        with pytest.raises(ValueError, match=r"pip install 'cfld\[openvino\]'"):
            own.use_recipe(RECIPE, dtype="auto")
    with pytest.raises(ValueError, match="engine openvino has dtype float32, bfloat16, int8, not float16"):
        own.use_recipe(RECIPE, dtype="float16")
    with pytest.raises(ValueError, match="dtype int8 needs engine openvino"):
        own.use_recipe("exact", dtype="int8")
    assert own.recipe == Recipe()
