"""A training step against the same step written plainly: images a second and peak memory.

    python benchmarks/bench_training_step.py                                        # the paper's model, batch 4
    python benchmarks/bench_training_step.py --device cuda --precision bf16 --batch 14
    python benchmarks/bench_training_step.py --preset tiny --rounds 2               # a trial

Plain, as in the released code: the VAE encodes both images at every step, and every residual and bias is copied in
float32; Adam loops over its tensors. Ours: moments from the latent cache, no copies, fused Adam. Both compute eq. 6 on
the same random batch with the same weights, and take turns, so that other load meets both; the ratio is the median over
rounds. Memory is that of a new process each, weights, gradients and Adam's state included.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from bench_sampling import RESULTS, _resident, hardware
from torch import Tensor

from cfld.build import Components, build_components
from cfld.config.presets import get_preset
from cfld.config.schema import TrainConfig
from cfld.models.unet import freeze_except
from cfld.training.objective import CFLDObjective
from cfld.training.optim import adam


@dataclass(frozen=True)
class Options:
    """Arguments of the benchmark."""

    preset: str = "deepfashion-256"
    """Its model and the weights of the UNet that train."""
    batch: int = 4
    rounds: int = 3
    precision: Literal["no", "bf16", "fp16"] = "no"
    device: str = "cpu"
    out: Path = field(default=RESULTS / "training_step.json")


def copy_conditions(_: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A forward pre-hook of the UNet: copies residuals and biases in float32."""
    residuals, attention = kwargs["down_intrablock_additional_residuals"], kwargs["cross_attention_kwargs"]
    biases = {name: bias.to(torch.float32, copy=True) for name, bias in attention["query_bias"].items()}
    return args, {
        **kwargs,
        "down_intrablock_additional_residuals": [one.to(torch.float32, copy=True) for one in residuals],
        "cross_attention_kwargs": {**attention, "query_bias": biases},
    }


@dataclass(frozen=True)
class Problem:
    """A model and a batch of B pairs.

    Attributes:
        source: (B, 3, S, S).
        images: (2B, 3, H, W), sources and targets as squares of the VAE.
        poses: (2B, 21, H, W).
        moments: (2B, 2C, h, w), as in the latent cache.
    """

    options: Options
    components: Components
    source: Tensor
    images: Tensor
    poses: Tensor
    moments: Tensor

    def latents(self, moments: Tensor) -> Tensor:
        mean, logvar = moments.chunk(2, dim=1)
        z_0 = mean + torch.randn_like(mean) * (logvar.clamp(-30, 20) / 2).exp()
        return z_0 * self.components.vae.config.scaling_factor

    def encoded(self) -> Tensor:
        with torch.no_grad(), self.autocast():
            return self.components.vae.encode(self.images).latent_dist.parameters.float()

    def autocast(self) -> AbstractContextManager[object]:
        dtype = {"no": None, "bf16": torch.bfloat16, "fp16": torch.float16}[self.options.precision]
        return nullcontext() if dtype is None else torch.autocast(torch.device(self.options.device).type, dtype)


def make_problem(options: Options) -> Problem:
    torch.manual_seed(0)
    config: TrainConfig = get_preset(options.preset)
    components, device, B = build_components(config.model), options.device, options.batch
    for module in (components.conditioner, components.unet, components.vae):
        module.to(device).train()
    components.vae.requires_grad_(False)
    freeze_except(components.unet, config.stage.unet_weights)
    side, latent = config.model.vae.sample_size, components.conditioner.latent_size
    source_size, channels = config.model.conditioner.source_size, config.model.unet.latent_channels
    return Problem(
        options,
        components,
        torch.rand(B, 3, source_size, source_size, device=device) * 2 - 1,
        torch.rand(2 * B, 3, side, side, device=device) * 2 - 1,
        torch.rand(2 * B, 21, *components.conditioner.pose_size, device=device),
        torch.randn(2 * B, 2 * channels, *latent, device=device),
    )


Step = Callable[[], None]


def make_step(problem: Problem, plain: bool) -> Step:
    components, rate = problem.components, get_preset(problem.options.preset).optim
    alphas_cumprod = components.scheduler.alphas_cumprod.to(problem.options.device)
    objective = CFLDObjective(components.conditioner, components.unet, alphas_cumprod)
    trained = {name: p for name, p in objective.named_parameters() if p.requires_grad}
    slow = torch.optim.Adam(trained.values(), lr=rate.learning_rate, foreach=False, fused=False)
    optimizer = slow if plain else adam(trained, rate)

    def loss() -> Tensor:
        latents = problem.latents(problem.encoded() if plain else problem.moments)
        with problem.autocast():
            return objective(problem.source, problem.poses, latents)

    def step() -> None:
        hooks = [components.unet.register_forward_pre_hook(copy_conditions, with_kwargs=True)] if plain else []
        loss().backward()
        for hook in hooks:
            hook.remove()
        optimizer.step()
        optimizer.zero_grad()

    return step


def seconds(step: Step) -> float:
    start = now()
    step()
    return now() - start


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_memory(options: Options, plain: bool) -> int:
    """MiB of a new process in two steps; of the GPU where there is one."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_memory, (options, plain))


def _peak_memory(options: Options, plain: bool) -> int:
    step = make_step(make_problem(options), plain)
    if options.device == "cpu":
        Path("/proc/self/clear_refs").write_text("5")  # Linux: resets the peak
    for _ in range(2):
        step()
    return _resident("VmHWM") if options.device == "cpu" else torch.cuda.max_memory_allocated() // 2**20


def main(options: Options) -> None:
    problem = make_problem(options)
    steps = {"plain": make_step(problem, plain=True), "ours": make_step(problem, plain=False)}
    for step in steps.values():
        step()  # Adam's state, and the first use of every kernel
    rounds = [{name: seconds(step) for name, step in steps.items()} for _ in range(options.rounds)]
    found = {
        "hardware": {**hardware(), "device": options.device, "precision": options.precision},
        "options": {name: str(value) for name, value in asdict(options).items()},
        "images_per_second": {
            name: round(options.batch / statistics.median(one[name] for one in rounds), 3) for name in steps
        },
        "times_plain": round(statistics.median(one["plain"] / one["ours"] for one in rounds), 2),
    }
    del problem, steps, step
    found["peak_memory_mib"] = {name: peak_memory(options, name == "plain") for name in ("plain", "ours")}
    if torch.cuda.is_available() and options.device != "cpu":
        found["card"] = torch.cuda.get_device_name()
    print(json.dumps(found, indent=2))
    options.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
