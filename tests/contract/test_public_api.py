"""The public interface that other programs rely on."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image

import cfld
import cfld.convert
import cfld.models.unet
import cfld.poses.render
from cfld import CFLDPipeline
from cfld.pipeline import BUNDLED
from cfld.poses.keypoints import Keypoints


def test_class_paths_of_saved_models(model_folder: Path) -> None:
    """Saved models must still open with later versions."""
    index = json.loads((model_folder / "model_index.json").read_text())
    assert {name: value for name, value in index.items() if not name.startswith("_diffusers")} == {
        "_class_name": "CFLDPipeline",
        "conditioner": ["cfld.models.conditioner", "Conditioner"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "DDPMScheduler"],
        "output_size": [64, 44],
    }
    files = [path.relative_to(model_folder) for path in model_folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files if path != Path("pipeline.py")} == {".json", ".safetensors"}


def test_anyone_can_open_the_unet(model_folder: Path) -> None:
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(model_folder, subfolder="unet")
    assert unet(torch.zeros(1, 4, 8, 8), 1, torch.zeros(1, 4, 16)).sample.isfinite().all()


OPEN = """
import sys
{first}
from diffusers import DiffusionPipeline
pipe = DiffusionPipeline.from_pretrained(sys.argv[1], {options})
print(type(pipe).__module__, type(pipe).__name__, *pipe.config.output_size, type(pipe.conditioner).__name__)
"""


TRUSTED = "custom_pipeline=sys.argv[1], trust_remote_code=True"


@pytest.mark.parametrize(
    ("folder", "first", "options"),
    [("saved", "", TRUSTED), ("bundled", "", TRUSTED), ("saved", "from cfld import CFLDPipeline", "")],
    ids=["saved", "bundled", "imported"],
)
def test_plain_diffusers_opens_a_saved_model(
    folder: str, first: str, options: str, model_folder: Path, tmp_path: Path
) -> None:
    path, size = {"saved": (model_folder, "64 44"), "bundled": (BUNDLED / "mannequin", "192 132")}[folder]
    program = [sys.executable, "-c", OPEN.format(first=first, options=options), str(path)]
    done = subprocess.run(
        program, env={**os.environ, "HF_MODULES_CACHE": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == f"cfld.pipeline CFLDPipeline {size} Conditioner", done.stderr


@pytest.mark.parametrize("opened_by", [CFLDPipeline, DiffusionPipeline])
def test_a_model_of_the_hub_opens_by_its_id(
    opened_by: type[DiffusionPipeline], model_folder: Path, tmp_path: Path
) -> None:
    """From the cache, whose layout is the hub's."""
    repository, revision = tmp_path / "models--someone--tiny", "a" * 40
    shutil.copytree(model_folder, repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    pipe = opened_by.from_pretrained("someone/tiny", cache_dir=tmp_path, local_files_only=True)
    assert (type(pipe), pipe.config.output_size) == (CFLDPipeline, (64, 44))


def test_no_code_of_a_folder_runs_unless_trusted(model_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "model"))
    (folder / "pipeline.py").write_text("raise SystemExit('code ran')")
    assert CFLDPipeline.from_pretrained(folder).config.output_size == (64, 44)
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        DiffusionPipeline.from_pretrained(str(folder), custom_pipeline=str(folder))


def test_folders_of_before_have_no_pipeline_file(model_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "model"))
    (folder / "pipeline.py").unlink()
    assert CFLDPipeline.from_pretrained(folder).config.output_size == (64, 44)


def test_names_of_the_package() -> None:
    assert sorted(cfld.__all__) == ["CFLDPipeline", "__version__"]
    assert cfld.CFLDPipeline is CFLDPipeline


def test_signature_of_the_call() -> None:
    parameters = list(inspect.signature(CFLDPipeline.__call__).parameters)[1:]
    defaults = {name: p.default for name, p in inspect.signature(CFLDPipeline.__call__).parameters.items()}
    assert parameters[:6] == [
        "source_image",
        "target_pose",
        "num_inference_steps",
        "pose_guidance_scale",
        "appearance_guidance_scale",
        "generator",
    ]
    assert [defaults[name] for name in parameters[2:6]] == [None, 2.0, 2.0, None]
    assert defaults["output_type"] == "pil"
    assert defaults["callback_on_step_end"] is None


def test_the_snippets_work_as_written(pipe: CFLDPipeline, person: Image.Image, poses: list[Keypoints]) -> None:
    source_image, target_pose = person, poses[0].yx
    out: Any = pipe(
        source_image,
        target_pose,
        num_inference_steps=2,
        pose_guidance_scale=2.0,
        appearance_guidance_scale=2.0,
        generator=torch.Generator().manual_seed(0),
        output_type="pil",
        callback_on_step_end=None,
    )
    assert all(isinstance(image, Image.Image) for image in out.images)

    keypoints = np.asarray(target_pose)
    pose_map = cfld.poses.render.pose_map(keypoints, frame=(256, 176), size=(256, 256))
    assert pose_map.shape == (21, 256, 256)
    assert pose_map.dtype == torch.float32

    source = torch.zeros(2, 3, 32, 32)
    pose = torch.nn.functional.interpolate(pose_map[None], size=(32, 32)).repeat(2, 1, 1, 1)
    conditioning = pipe.conditioner(source, pose)
    null = pipe.conditioner.null(2)
    assert null.prompt_embeds.shape == conditioning.prompt_embeds.shape
    latents, timestep = torch.randn(2, 4, 8, 8), torch.tensor(10)
    for condition in (conditioning, null):
        noise = cfld.models.unet.predict_noise(pipe.unet, latents, timestep, condition)
        assert noise.shape == latents.shape
    assert list(inspect.signature(cfld.convert.load_official_checkpoint).parameters) == ["folder"]
