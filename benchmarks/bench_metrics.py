"""Cost of evaluation: pixel metrics, FID's statistics and distance, and the memory for a stream of images.

    python benchmarks/bench_metrics.py                                # about a minute on two cores
    python benchmarks/bench_metrics.py --images 48674               # as many as DeepFashion has for training

Pixel metrics: SSIM (window 51), SSIM_256 and PSNR of the `cfld` protocol, and of `standard`, on noisy images of
256 x 176 in memory, in as many threads as there are cores. Statistics: of features of 2048 dimensions in
batches of 8, as in `cfld evaluate`. Memory: peak of a fresh process that streams images of 256 x 176 through a small
random network into the statistics (read from Linux' /proc). The table is kept as JSON in `benchmarks/results/`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cfld.evaluation.image_loading import BATCH_SIZE
from cfld.metrics.fid import FeatureStatistics, Gaussian, frechet_distance
from cfld.metrics.protocols import PROTOCOLS, Protocol
from cfld.metrics.psnr import psnr
from cfld.metrics.ssim import ssim

RESULTS = Path(__file__).parent / "results" / "metrics.json"
SIZE, FEATURES = (256, 176), 2048
TEST_PAIRS = 8_570


def seconds_of(run: Callable[[], Any]) -> tuple[float, float]:
    """Wall-clock time, and processor time of all threads, which is more meaningful on a busy machine."""
    start, busy = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start, time.process_time() - busy


def pixel_metrics(pairs: int, protocol: Protocol) -> tuple[float, float]:
    """Seconds for this number of pairs, as in `seconds_of`."""
    rng = np.random.default_rng(0)
    truth = rng.random((3, *SIZE), dtype=np.float32)
    prediction = (truth + 0.1 * rng.standard_normal(truth.shape, dtype=np.float32)).clip(0, 1)

    def score(_: int) -> None:
        psnr(truth, prediction)
        for variant in filter(None, (protocol.ssim, protocol.ssim_256)):
            ssim(truth, prediction, variant)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return seconds_of(lambda: list(pool.map(score, range(pairs))))


def random_features(n: int, seed: int) -> NDArray[np.float32]:
    """Positive and correlated, like Inception's."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((64, FEATURES), dtype=np.float32)
    return np.abs(rng.standard_normal((n, 64), dtype=np.float32) @ mixing)


def statistics(features: NDArray[np.float32]) -> Gaussian:
    gathered = FeatureStatistics()
    for start in range(0, len(features), BATCH_SIZE):
        gathered.update(features[start : start + BATCH_SIZE])
    return gathered.gaussian()


def stream(images: int, results: Any) -> None:
    """Puts the peak memory before and after, in MiB, on the queue."""
    torch.set_num_threads(1)
    network = nn.Sequential(nn.Conv2d(3, FEATURES, 16, stride=64), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    gathered, generator = FeatureStatistics(), torch.Generator().manual_seed(0)
    before = peak_memory()
    with torch.no_grad():
        for _ in range(0, images, BATCH_SIZE):
            gathered.update(network(torch.rand(BATCH_SIZE, 3, *SIZE, generator=generator)).numpy())
    gathered.gaussian()
    results.put((before, peak_memory()))


def peak_memory() -> float:
    """Of this process since its start, in MiB."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def memory(images: int) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=stream, args=(images, results))
    process.start()
    before, after = results.get()
    process.join()
    return {"images": images, "mib_before": round(before), "mib_peak": round(after)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=400, help="pairs whose pixel metrics are timed")
    parser.add_argument("--images", type=int, default=4_000, help="images that stream through in the memory test")
    arguments = parser.parse_args()
    found: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "load_before": os.getloadavg()[0], "python": platform.python_version()}
    }
    for name in ("cfld", "standard"):
        seconds, busy = pixel_metrics(arguments.pairs, PROTOCOLS[name])
        found[f"pixel_metrics_{name}"] = {
            "pairs": arguments.pairs,
            "pairs_per_second": round(arguments.pairs / seconds, 1),
            f"seconds_for_{TEST_PAIRS}": round(seconds * TEST_PAIRS / arguments.pairs, 1),
            f"processor_seconds_for_{TEST_PAIRS}": round(busy * TEST_PAIRS / arguments.pairs, 1),
        }
    features = random_features(TEST_PAIRS, seed=0)
    real = statistics(random_features(2 * FEATURES, seed=1))
    gathered, _ = seconds_of(lambda: statistics(features))
    generated = statistics(features)
    distance, _ = seconds_of(lambda: frechet_distance(real, generated))
    found["fid_2048"] = {
        f"seconds_statistics_of_{TEST_PAIRS}": round(gathered, 1),
        "seconds_distance": round(distance, 1),
        "seconds_together": round(gathered + distance, 1),
    }
    found["memory_streaming"] = [memory(n) for n in (BATCH_SIZE, arguments.images)]
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
