"""Sampling time of `CFLDPipeline` against a plain implementation of the published algorithm.

    python benchmarks/bench_sampling.py                      # both models; about 6 minutes on two cores
    python benchmarks/bench_sampling.py --models mannequin   # two minutes

Both use the same weights and noise. The plain one encodes source and pose of each pair, runs all three branches of
eq. 7 at each step as one batch of all pairs, and copies every residual and bias for it, since the UNet pops items from
its lists. Times are medians of alternating runs in this process; peak memory is that of a new process each (from Linux'
/proc). The results are written as JSON to `benchmarks/results/`.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from cfld.build import build_components
from cfld.config.schema import ConditionerConfig, ModelConfig, UNetConfig, VAEConfig
from cfld.data.transforms import resize, to_model_range
from cfld.mannequin import keypoints, render, sample_body_pose, sample_identity
from cfld.pipeline import CFLDPipeline
from cfld.poses.render import pose_map

RESULTS = Path(__file__).parent / "results"
W_POSE = W_APP = 2.0


@dataclasses.dataclass(frozen=True)
class Problem:
    """One source in several poses.

    Attributes:
        source: (1, 3, S, S) in [-1, 1].
        poses: (N, 21, H, W).
        latents: (N, C, h, w), the noise to start from.
        steps: sampling steps.
    """

    pipe: CFLDPipeline
    source: Tensor
    poses: Tensor
    latents: Tensor
    steps: int


def full_model(side: int = 256) -> CFLDPipeline:
    """Published dimensions for square images of this side, random weights, also in the zero convolutions."""
    torch.manual_seed(0)
    model = ModelConfig(
        conditioner=ConditionerConfig(source_size=side // 2),
        unet=UNetConfig(sample_size=side // 8),
        vae=VAEConfig(sample_size=side),
    )
    pipe = CFLDPipeline(**vars(build_components(model)), output_size=(256, 176))
    for encoder in pipe.conditioner.appearance_encoders:
        torch.nn.init.normal_(encoder.zero_conv_in.weight, std=0.02)
        torch.nn.init.normal_(encoder.zero_conv_out.weight, std=0.02)
    return pipe


MODELS: dict[str, Callable[[], CFLDPipeline]] = {
    "full": full_model,
    "full-512": lambda: full_model(512),
    "mannequin": lambda: CFLDPipeline.from_pretrained("mannequin"),
}


def make_problem(name: str, poses: int, steps: int) -> Problem:
    pipe = MODELS[name]()
    pipe.set_progress_bar_config(disable=True)
    for module in (pipe.conditioner, pipe.unet, pipe.vae):
        module.eval()
    person = sample_identity(1)
    image = torch.from_numpy(render(person, sample_body_pose(0))).permute(2, 0, 1)
    side = pipe.conditioner.config.source_size
    maps = [pose_map(keypoints(person, sample_body_pose(1 + i)), size=pipe.conditioner.pose_size) for i in range(poses)]
    shape = (poses, pipe.unet.config.in_channels, *pipe.conditioner.latent_size)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return Problem(pipe, resize(to_model_range(image), (side, side))[None], torch.stack(maps), noise, steps)


@torch.no_grad()
def plain(problem: Problem) -> Tensor:
    """The published algorithm: all three branches at every step, no caching."""
    pipe, z, pairs = problem.pipe, problem.latents, len(problem.poses)
    conditioning = pipe.conditioner(problem.source.repeat(pairs, 1, 1, 1), problem.poses)
    null = pipe.conditioner.null(pairs).prompt_embeds
    prompts = torch.cat([null, null, conditioning.prompt_embeds])
    residuals = [torch.cat([torch.zeros_like(f), f, f]) for f in conditioning.pose_features]
    biases = {n: torch.cat([torch.zeros_like(b), torch.zeros_like(b), b]) for n, b in conditioning.query_bias.items()}
    scheduler, generators = copy.deepcopy(pipe.scheduler), make_generators(pairs)
    scheduler.set_timesteps(problem.steps)
    for t in scheduler.timesteps:
        eps_0, eps_pose, eps_full = pipe.unet(
            torch.cat([z, z, z]),
            t,
            encoder_hidden_states=prompts,
            cross_attention_kwargs={"query_bias": copy.deepcopy(biases)},
            down_intrablock_additional_residuals=copy.deepcopy(residuals),
        ).sample.chunk(3)
        eps = eps_0 + W_POSE * (eps_pose - eps_0) + W_APP * (eps_full - eps_pose)
        z = scheduler.step(eps, t, z, generator=generators).prev_sample
    return z


def make_generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(i) for i in range(count)]


def ours(problem: Problem) -> Tensor:
    """The pipeline: encodes the source and each pose once, and skips branches of weight zero."""
    source = problem.pipe.encode_source(problem.source)
    images: Tensor = problem.pipe(
        source,
        problem.poses,
        num_inference_steps=problem.steps,
        pose_guidance_scale=W_POSE,
        appearance_guidance_scale=W_APP,
        generator=make_generators(len(problem.poses)),
        latents=problem.latents,
        output_type="latent",
    ).images
    return images


WAYS = {"plain": plain, "ours": ours}


def share_outside_unet(problem: Problem) -> float:
    """Share of a sampling step's time spent outside the UNet."""
    inside: list[float] = []
    ends: list[float] = []
    starts: list[float] = []
    before = problem.pipe.unet.register_forward_pre_hook(lambda *_: starts.append(time.perf_counter()))
    after = problem.pipe.unet.register_forward_hook(lambda *_: ends.append(time.perf_counter()))
    ours(problem)
    before.remove()
    after.remove()
    inside = [end - start for start, end in zip(starts, ends, strict=True)]
    whole = starts[-1] - starts[0]  # from the first call to the last
    return 1 - sum(inside[:-1]) / whole


def compare(name: str, poses: int, steps: int, repeats: int) -> dict[str, object]:
    problem = make_problem(name, poses, steps)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    results: dict[str, Tensor] = {}
    for _ in range(repeats):
        for way, function in WAYS.items():
            start = time.perf_counter()
            results[way] = function(problem)
            seconds[way].append(time.perf_counter() - start)
    outside = share_outside_unet(problem)
    difference = float((results["plain"] - results["ours"]).abs().max())
    del problem
    median = {way: statistics.median(times) for way, times in seconds.items()}
    return {
        "model": name,
        "poses": poses,
        "steps": steps,
        "seconds": {way: round(value, 2) for way, value in median.items()},
        "speedup": round(median["plain"] / median["ours"], 3),
        "share_of_step_outside_unet": round(outside, 4),
        "largest_difference": difference,
        "scale_of_result": float(results["plain"].abs().max()),
        "peak_memory_mib": {way: peak_memory(name, way, poses, steps) for way in WAYS},
    }


def peak_memory(name: str, way: str, poses: int, steps: int) -> dict[str, int]:
    """MiB of resident memory in a new process: the peak while sampling, and the same less the weights."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure_memory, (name, way, poses, min(steps, 2)))


def _measure_memory(name: str, way: str, poses: int, steps: int) -> dict[str, int]:
    problem = make_problem(name, poses, steps)
    Path("/proc/self/clear_refs").write_text("5")  # Linux: resets the peak
    before = _resident("VmRSS")
    WAYS[way](problem)
    return {"peak": _resident("VmHWM"), "above_weights": _resident("VmHWM") - before}


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) // 1024


def hardware() -> dict[str, object]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "dtype": "float32",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=["full", "mannequin"], default=["full", "mannequin"])
    parser.add_argument("--out", type=Path, default=RESULTS / "sampling.json")
    arguments = parser.parse_args()
    sizes = {"full": (2, 3, 1), "mannequin": (4, 50, 3)}  # poses, steps, repeats
    rows = []
    for name in arguments.models:
        rows.append(compare(name, *sizes[name]))
        print(json.dumps(rows[-1], indent=2), flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({"hardware": hardware(), "results": rows}, indent=2) + "\n")
    print(arguments.out)


if __name__ == "__main__":
    main()
