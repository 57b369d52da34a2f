"""Time and memory of one image at the dimensions of the released checkpoint, with random weights.

python benchmarks/bench_released.py
python benchmarks/bench_released.py --device cuda --dtype float16
"""

from __future__ import annotations

import resource
import time
from typing import Literal

import torch
import tyro
from diffusers.utils import logging
from PIL import Image

from cfld.build import build_components
from cfld.cli.options import find_device
from cfld.config.presets import get_preset
from cfld.mannequin import keypoints, render, sample_body_pose, sample_identity
from cfld.pipeline import CFLDPipeline


def main(
    steps: int = 3, device: str | None = None, dtype: Literal["float32", "bfloat16", "float16"] = "float32"
) -> None:
    """Print seconds per step and image, and peak memory.

    Args:
        steps: sampling steps to time; an image takes 50.
        device: cpu, cuda or mps; default: auto.
        dtype: weight dtype.
    """
    logging.set_verbosity_error()
    torch_device, model = find_device(device), get_preset("deepfashion-256").model
    pipe = CFLDPipeline(**vars(build_components(model)), output_size=model.output_size)
    weights = sum(p.numel() for module in (pipe.conditioner, pipe.unet, pipe.vae) for p in module.parameters())
    print(f"{weights / 1e6:.0f} M parameters")
    pipe.to(torch_device, getattr(torch, dtype)).set_progress_bar_config(disable=True)
    person, pose = sample_identity(0), sample_body_pose(0)
    moments = [time.perf_counter()]

    def on_step_end(*_: object) -> dict[str, torch.Tensor]:
        synchronise(torch_device)
        moments.append(time.perf_counter())
        return {}

    source = Image.fromarray(render(person, pose))
    pipe(source, keypoints(person, pose), num_inference_steps=steps + 1, callback_on_step_end=on_step_end)
    moments.append(time.perf_counter())
    step = (moments[-2] - moments[1]) / steps
    once = moments[-1] - moments[0] - step * (steps + 1)
    print(f"{torch_device}, {dtype}, {torch.get_num_threads()} threads")
    print(f"{step:.2f} s per step, {once:.1f} s per image outside the steps; 50 steps: about {once + 50 * step:.0f} s")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB", end="")
    print(f", of the GPU {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if torch_device.type == "cuda" else "")


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    tyro.cli(main)
