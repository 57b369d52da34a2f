"""Fixtures of most tests: a tiny CFLD without zero-initialised layers, a person and poses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from diffusers import UNet2DConditionModel
from PIL import Image

from cfld import mannequin
from cfld.build import Components, build_components, build_vae, unet_arguments
from cfld.config.presets import tiny_model
from cfld.config.schema import ModelConfig
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints
from support.fuzz.campaign import pytest_terminal_summary  # noqa: F401 - here, because xdist's controller reads no other

torch.set_num_threads(1)


def random_components(model: ModelConfig, seed: int = 0) -> Components:
    """Random weights, also in zero-initialised layers, which would otherwise hide half of the method from tests."""
    torch.manual_seed(seed)
    components = build_components(model)
    with torch.no_grad():
        for module in (components.conditioner, components.unet, components.vae):
            for parameter in module.eval().requires_grad_(False).parameters():
                if not parameter.any():
                    parameter.normal_(0, 0.2)
    return components


@pytest.fixture(scope="session", autouse=True)
def _gradio_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where pages that no server serves keep their files; the default is /tmp/gradio."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        yield


@pytest.fixture
def fresh_accelerator() -> Iterator[None]:
    """Resets accelerate, which keeps the first precision of a process."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def make_pipe() -> Callable[..., CFLDPipeline]:
    """A function that makes a tiny pipeline, which the test may change."""

    def make(model: ModelConfig | None = None, seed: int = 0) -> CFLDPipeline:
        model = model or tiny_model()
        pipe = CFLDPipeline(**vars(random_components(model, seed)), output_size=model.output_size)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return make


@pytest.fixture(scope="session")
def components() -> Components:
    """The components of a tiny CFLD; read only."""
    return random_components(tiny_model())


@pytest.fixture(scope="session")
def pipe() -> CFLDPipeline:
    """A tiny pipeline; read only."""
    pipe = CFLDPipeline(**vars(random_components(tiny_model())), output_size=tiny_model().output_size)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="session")
def model_folder(pipe: CFLDPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The saved `pipe`; read only."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sd15_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Stable Diffusion 1.5 folder: the stock classes, and the published noise schedule."""
    folder = tmp_path_factory.mktemp("sd15")
    torch.manual_seed(1)
    UNet2DConditionModel(**unet_arguments(tiny_model().unet)).save_pretrained(folder / "unet")
    build_vae(tiny_model().vae).save_pretrained(folder / "vae")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(
        '{"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012, "beta_schedule":'
        ' "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one": false,'
        ' "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null}'
    )
    return folder


@pytest.fixture(scope="session")
def person() -> Image.Image:
    """An image of odd size with irregular content."""
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((45, 67), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def poses() -> list[Keypoints]:
    """Four poses with all joints."""
    return [mannequin.keypoints(mannequin.sample_identity(i), mannequin.sample_body_pose(i)) for i in range(4)]
