"""Recipes and engines against the plain published algorithm: time, memory and, on the bundled model, quality.

    python benchmarks/bench_recipes.py --model mannequin              # time, memory and quality of the bundled model
    python benchmarks/bench_recipes.py --model full --plain-steps 3   # time and memory of the paper's model
    python benchmarks/bench_recipes.py --model full --device cuda --dtype float16
    python benchmarks/bench_recipes.py --model full-512 --dtype bfloat16 --plain-steps 2 --rows exact fast --batches 1
    python benchmarks/bench_recipes.py --identities 2 --seeds 1 --repeats 1 --rows exact fast    # a trial

Time: one image from source and pose to pixels. In each round the plain algorithm (`bench_sampling.plain`: three
branches at each of 50 steps, nothing kept) and all rows take turns, so that other load meets all of them; the table has
medians of the ratios within a round. Exports come before and are given apart. Run it on a quiet machine all the same.

Quality: the people and poses of `cfld evaluate mannequin-quality`. Differences to `exact` are means over the same
images (of patterns: garments) with their standard errors; one within twice its standard error counts as none.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
import tyro
from bench_sampling import RESULTS, W_APP, W_POSE, Problem, _resident, hardware, make_generators, make_problem, plain
from numpy.typing import NDArray

from cfld import mannequin
from cfld.config.recipes import RECIPES
from cfld.config.schema import SamplingConfig
from cfld.mannequin.patterns import figure_pixels, garment_views, sharpness
from cfld.mannequin.quality import Scene, gaussian_ssim, nearest
from cfld.metrics.psnr import psnr
from cfld.pipeline import CFLDPipeline

PLAIN_STEPS: Final = 50
ROWS: Final[dict[str, dict[str, Any]]] = {
    **{name: {"recipe": name} for name in RECIPES},
    **{f"{name}, openvino": {"recipe": name, "engine": "openvino"} for name in RECIPES},
    "fast, openvino int8": {"recipe": "fast", "engine": "openvino", "dtype": "int8"},
    "fastest, openvino int8": {"recipe": "fastest", "engine": "openvino", "dtype": "int8"},
}
"""Name -> arguments of `use_recipe`."""
STUDENT: Final[dict[str, dict[str, Any]]] = {
    **{f"student, steps {steps}": {"recipe": "exact", "steps": steps} for steps in (1, 2, 4, 8)},
    "student, steps 2, openvino bfloat16": {"recipe": "exact", "steps": 2, "engine": "openvino", "dtype": "bfloat16"},
}
"""Likewise of the bundled model's student."""


@dataclass(frozen=True)
class Options:
    """Arguments of the benchmark."""

    model: Literal["mannequin", "full", "full-512"] = "mannequin"
    rows: tuple[str, ...] | None = None
    """Names in ROWS and, of the bundled model, in STUDENT; `exact` is added. None = all."""
    parts: tuple[Literal["time", "images_per_second", "memory", "quality"], ...] = (
        *("time", "images_per_second", "memory", "quality"),
    )
    """What is measured; the rest is taken from `out` where it is there."""
    repeats: int = 3
    """Rounds of timing."""
    plain_steps: int = PLAIN_STEPS
    """Steps of the plain algorithm that are run; of fewer the time is multiplied, and the table says so."""
    batches: tuple[int, ...] = (1, 4, 16)
    """Batch sizes for images a second."""
    seeds: tuple[int, ...] = (1, 2, 3)
    identities: int = 100
    """People for each seed; quality is of the bundled model only."""
    poses: int = 4
    poses_compared: int = 20
    device: str = "cpu"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the plain algorithm and of all rows but those with a dtype of their own."""
    cache: Path = Path(tempfile.gettempdir()) / "cfld-bench-engines"
    out: Path | None = None
    """JSON file; default: benchmarks/results/recipes-MODEL-DEVICE.json."""


def problem(options: Options, poses: int = 1) -> Problem:
    made, dtype = make_problem(options.model, poses, steps=options.plain_steps), getattr(torch, options.dtype)
    made.pipe.to(options.device)
    if dtype != torch.float32:
        made.pipe.to(dtype)
    tensors = {name: getattr(made, name).to(options.device, dtype) for name in ("source", "poses", "latents")}
    return replace(made, **tensors)


def plain_image(made: Problem) -> tuple[float, float]:
    """Seconds of sampling, and of decoding."""
    start = now()
    z = plain(made)
    sampled = now()
    with torch.no_grad():
        made.pipe.vae.decode(z.to(made.pipe.vae.dtype) / made.pipe.vae.config.scaling_factor)
    return sampled - start, now() - sampled


def our_image(made: Problem) -> float:
    """Seconds."""
    start = now()
    made.pipe(
        made.source,
        made.poses,
        pose_guidance_scale=W_POSE,
        appearance_guidance_scale=W_APP,
        generator=make_generators(len(made.poses)),
        latents=made.latents,
        output_type="pt",
    )
    return now() - start


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def with_row(made: Problem, row: str, options: Options) -> Problem:
    """The same weights, or the student's, in a pipeline of their own, so that each row keeps its engine."""
    if row in STUDENT:
        pipe = CFLDPipeline.from_pretrained("mannequin-turbo").to(options.device)
    else:
        pipe = CFLDPipeline(**made.pipe.components, output_size=made.pipe.config.output_size)
    pipe.set_progress_bar_config(disable=True)
    pipe.use_recipe(engine_cache=options.cache, **{"dtype": options.dtype, **(ROWS | STUDENT)[row]})
    return replace(made, pipe=pipe)


def times(options: Options, rows: list[str]) -> dict[str, dict[str, float]]:
    """Of each row: seconds of an image, ratio to plain, and seconds of the first image beyond a later one."""
    made = problem(options)
    made_for = {row: with_row(made, row, options) for row in rows}
    first = {row: our_image(made_for[row]) for row in rows}
    seconds: dict[str, list[float]] = {row: [] for row in ("plain", *rows)}
    for _ in range(options.repeats):
        sampling, decoding = plain_image(made)
        seconds["plain"].append(sampling * PLAIN_STEPS / options.plain_steps + decoding)
        for row in rows:
            seconds[row].append(our_image(made_for[row]))
    return {
        row: {
            "seconds": round(statistics.median(own), 3),
            "times_plain": round(statistics.median(p / s for p, s in zip(seconds["plain"], own, strict=True)), 2),
            "once": round(max(first.get(row, 0.0) - statistics.median(own), 0.0), 1),
        }
        for row, own in seconds.items()
    }


def bulk(options: Options, rows: list[str]) -> dict[str, dict[int, float]]:
    """Of each row: images a second by batch size, one source in many poses."""
    found: dict[str, dict[int, float]] = {row: {} for row in rows}
    for batch in options.batches:
        made = problem(options, batch)
        for row in rows:
            made_for = with_row(made, row, options)
            our_image(made_for)
            seconds = statistics.median(our_image(made_for) for _ in range(options.repeats))
            found[row][batch] = round(batch / seconds, 3)
    return found


def peak_memory(row: str, options: Options) -> int:
    """MiB of a new process while it makes one image, weights included; of the GPU where there is one."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_memory, (row, options))


def _peak_memory(row: str, options: Options) -> int:
    made = problem(replace(options, plain_steps=min(options.plain_steps, 2)))
    run: Callable[[Problem], Any] = plain_image
    if row != "plain":
        made, run = with_row(made, row, options), our_image
    if options.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        run(made)
        return torch.cuda.max_memory_allocated() // 2**20
    Path("/proc/self/clear_refs").write_text("5")  # Linux: resets the peak
    run(made)
    return _resident("VmHWM")


FIGURES: Final = ("psnr", "ssim", "sharpness", "identity_top1", "pattern_top1")
Figures = dict[str, NDArray[np.float64]]


def figures(scene: Scene, images: NDArray[Any]) -> Figures:
    """Name -> values of all images, of patterns of all garments."""
    found: dict[str, list[float]] = {name: [] for name in FIGURES}
    for i, j in np.ndindex(images.shape[:2]):
        image, truth = images[i, j], scene.targets[i, j]
        chw, truth_chw = np.moveaxis(image, -1, 0), np.moveaxis(truth, -1, 0)
        identity = mannequin.sample_identity(scene.people[i])
        pose, size = mannequin.sample_body_pose(scene.target_poses[j]), truth.shape[:2]
        found["psnr"].append(psnr(truth_chw, chw))
        found["ssim"].append(gaussian_ssim(truth_chw, chw))
        found["sharpness"].append(sharpness(image, truth, figure_pixels(identity, pose, size)))
        found["identity_top1"].append(float(nearest(image, scene.truth[:, j]) == i))
        found["pattern_top1"] += [float(view.reads_right(image)[0]) for view in garment_views(identity, pose, size)]
    return {name: np.array(values, dtype=np.float64) for name, values in found.items()}


def quality(options: Options, rows: list[str]) -> dict[str, dict[str, dict[str, float]]]:
    """Of each row and figure: mean, difference to `exact` and its standard error, paired."""
    made, values = problem(options), {row: list[Figures]() for row in rows}
    pipes, size = {row: with_row(made, row, options).pipe for row in rows}, made.pipe.config.output_size
    for seed in options.seeds:
        scene = Scene.render(size, options.identities, options.poses, options.poses_compared, seed)
        for row in rows:
            values[row].append(figures(scene, scene.generate(pipes[row], SamplingConfig(seed=seed))))
    joined = {row: {name: np.concatenate([one[name] for one in of]) for name in FIGURES} for row, of in values.items()}
    return {row: {name: _compared(of[name], joined["exact"][name]) for name in FIGURES} for row, of in joined.items()}


def _compared(own: NDArray[np.float64], exact: NDArray[np.float64]) -> dict[str, float]:
    if len(own) < 2:  # a trial without patterned garments
        return {}
    difference = own - exact
    error = difference.std(ddof=1) / len(difference) ** 0.5
    found = {"mean": own.mean(), "difference": difference.mean(), "standard_error": error}
    return {name: round(float(value), 4) for name, value in found.items()}


def table(found: dict[str, Any]) -> str:
    """The parts that were measured, a line a row."""
    time, rates, memory, figures = (found.get(part, {}) for part in ("time", "images_per_second", "memory", "quality"))
    batches = list(rates.get("exact", ()))
    names = FIGURES if figures else ()
    lines = [["", "s an image", "times plain", "once, s", "peak MiB"]]
    lines[0] += [*(f"images a second at batch {batch}" for batch in batches), *names]
    lines.append(["---"] * len(lines[0]))
    for row in dict.fromkeys([*time, *figures]):
        cells = [str(value) for value in time.get(row, dict.fromkeys(range(3), "")).values()]
        speeds = [str(rates.get(row, {}).get(batch, "")) for batch in batches]
        quality_cells = [_cell(figures.get(row, {}).get(name)) for name in names]
        lines.append([row, *cells, str(memory.get(row, "")), *speeds, *quality_cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(figure: dict[str, float] | None) -> str:
    if not figure:
        return ""
    return f"{figure['mean']:.3f} ({figure['difference']:+.3f} ± {figure['standard_error']:.3f})"


def main(options: Options) -> None:
    known = ROWS | (STUDENT if options.model == "mannequin" else {})
    every = dict.fromkeys(("exact", *(known if options.rows is None else options.rows)))
    rows = [row for row in every if options.device == "cpu" or "engine" not in known[row]]
    out = options.out or RESULTS / f"recipes-{options.model}-{options.device}.json"
    found: dict[str, Any] = json.loads(out.read_text()) if out.is_file() else {}
    found["hardware"] = {**hardware(), "dtype": options.dtype, "device": options.device}
    if torch.cuda.is_available() and options.device != "cpu":
        found["hardware"]["card"] = torch.cuda.get_device_name()
    measure: dict[str, Callable[[], Any]] = {
        "time": lambda: times(options, rows),
        "images_per_second": lambda: bulk(options, rows),
        "memory": lambda: {row: peak_memory(row, options) for row in ("plain", *rows)},
        "quality": lambda: quality(options, rows) if options.model == "mannequin" else {},
    }
    for part in options.parts:
        found[part] = measure[part]()
        found.setdefault("options", {})[part] = {name: str(value) for name, value in asdict(options).items()}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(found, indent=2) + "\n")
    print(table(found))
    if options.plain_steps != PLAIN_STEPS:
        print(f"plain: the time of {options.plain_steps} steps, multiplied to {PLAIN_STEPS}")
    print(out)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
