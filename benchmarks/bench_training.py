"""One training step on a CPU: attention by PyTorch's fused kernel, and by plain products as training does it.

python benchmarks/bench_training.py

On random values at the sizes of the bundled model, in bfloat16. Both ways take turns, so that other load falls on both;
what counts is the processor's time and its ratio. Kept as JSON in `benchmarks/results/`.
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
from cfld.models.hybrid_granularity_attention import install
from cfld.training.attention import training_attention
from cfld.training.objective import CFLDObjective
from cfld.training.optim import make_optimizer

RESULTS = Path(__file__).parent / "results" / "training.json"


def main(steps: int = 5, batch: int = 8, threads: int = 1) -> None:
    """Print processor seconds a step.

    Args:
        steps: of each kind.
        batch: pairs a step.
        threads: of PyTorch.
    """
    torch.set_num_threads(threads)
    config = mannequin()
    parts = build_components(config.model)
    install(parts.unet)
    objective = CFLDObjective(parts.conditioner, parts.unet, parts.scheduler.alphas_cumprod)
    optimizer = make_optimizer(dict(objective.named_parameters()), config.optim)
    side, latents = config.model.conditioner.source_size, parts.conditioner.latent_size
    channels = config.model.unet.latent_channels
    inputs = (
        torch.randn(batch, 3, side, side),
        torch.rand(2 * batch, 21, *parts.conditioner.pose_size),
        torch.randn(2 * batch, channels, *latents),
    )

    def step(plain: bool) -> dict[str, float]:
        start = time.process_time()
        with training_attention(torch.device("cpu")) if plain else nullcontext():
            with torch.autocast("cpu", torch.bfloat16):
                loss = objective(*inputs)
            loss.backward()
        gradients = time.process_time()
        optimizer.step()
        optimizer.zero_grad()
        return {"gradients": gradients - start, "optimizer": time.process_time() - gradients}

    step(plain=True)
    taken = [(step(plain=False), step(plain=True)) for _ in range(steps)]
    fused, plain = (sum(pair[i]["gradients"] for pair in taken) / steps for i in range(2))
    found = {
        "cores": os.cpu_count(),
        "threads": threads,
        "batch": batch,
        "processor_seconds_gradients_fused_attention": round(fused, 3),
        "processor_seconds_gradients_plain_attention": round(plain, 3),
        "ratio": round(fused / plain, 2),
        "processor_seconds_muon": round(sum(one["optimizer"] for pair in taken for one in pair) / steps / 2, 3),
    }
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    tyro.cli(main)
