"""The public interface that other programs rely on."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import cfld
import cfld.convert
import cfld.models.unet
import cfld.poses.render
from cfld import CFLDPipeline
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
    assert {path.suffix for path in model_folder.rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_anyone_can_open_the_unet(model_folder: Path) -> None:
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(model_folder, subfolder="unet")
    assert unet(torch.zeros(1, 4, 8, 8), 1, torch.zeros(1, 4, 16)).sample.isfinite().all()


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
    assert [defaults[name] for name in parameters[2:6]] == [50, 2.0, 2.0, None]
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
