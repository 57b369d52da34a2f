"""One training step of the bundled model on a CPU, in float32 and in bfloat16.

python benchmarks/bench_training.py

Random values at the sizes of the bundled model. The precisions take turns, so that other load affects both alike; the
figures are the processor's time. bfloat16 is only faster on processors that compute in it (AVX-512 BF16, AMX). Kept as
JSON in `benchmarks/results/`.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import nullcontext
from pathlib import Path

import torch
import tyro

from cfld.build import build_components
from cfld.config.presets import mannequin
from cfld.training.objective import CFLDObjective
from cfld.training.optim import make_optimizer

RESULTS = Path(__file__).parent / "results" / "training.json"


def main(steps: int = 5, batch: int = 8, threads: int = 1) -> None:
    """Print processor seconds per step.

    Args:
        steps: of each precision.
        batch: pairs per step.
        threads: of PyTorch.
    """
    torch.set_num_threads(threads)
    config = mannequin()
    components = build_components(config.model)
    objective = CFLDObjective(components.conditioner, components.unet, components.scheduler.alphas_cumprod)
    optimizer = make_optimizer(dict(objective.named_parameters()), config.optim)
    side, latents = config.model.conditioner.source_size, components.conditioner.latent_size
    channels = config.model.unet.latent_channels
    inputs = (
        torch.randn(batch, 3, side, side),
        torch.rand(2 * batch, 21, *components.conditioner.pose_size),
        torch.randn(2 * batch, channels, *latents),
    )

    def step(bf16: bool) -> tuple[float, float]:
        """Processor seconds of the gradients and of the optimiser."""
        start = time.process_time()
        with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
            loss = objective(*inputs)
        loss.backward()
        gradients = time.process_time()
        optimizer.step()
        optimizer.zero_grad()
        return gradients - start, time.process_time() - gradients

    step(bf16=True)
    times = torch.tensor([[step(bf16=False), step(bf16=True)] for _ in range(steps)]).mean(0)
    found = {
        "cores": os.cpu_count(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": threads,
        "batch": batch,
        "processor_seconds_gradients_float32": round(times[0, 0].item(), 3),
        "processor_seconds_gradients_bfloat16": round(times[1, 0].item(), 3),
        "processor_seconds_muon": round(times[:, 1].mean().item(), 3),
    }
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    tyro.cli(main)
