"""Reading and decoding single images from shards against the same from loose files.

    OMP_NUM_THREADS=1 python benchmarks/bench_shards.py

Both data sets are read in one random order by one process, in turns; each figure is the best of several rounds, so the
files are in the system's cache. Seconds are those of the processor, so other programs hardly disturb them.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tyro

from cfld.data.registry import open_dataset
from cfld.data.shards import write_shards
from cfld.mannequin.dataset import write_mannequin
from cfld.training.batches import ImageSamples, MicroBatches

SIZE = (256, 176)


@dataclass(frozen=True)
class Options:
    """Arguments of the benchmark."""

    identities: int = 20
    rounds: int = 5
    samples: int = 60


def main(options: Options) -> None:
    with tempfile.TemporaryDirectory() as folder:
        loose, packed = Path(folder, "loose"), Path(folder, "packed")
        write_mannequin(loose, identities=options.identities, poses=8, size=SIZE)
        write_shards(loose, packed, 2**20)
        datasets = [open_dataset("mannequin", root, "train") for root in (loose, packed)]
        both = [ImageSamples(dataset=data, image_size=SIZE) for data in datasets]
        turns = [[rate(one, options.samples) for one in both] for _ in range(options.rounds)]
        files, shards = (max(rates) for rates in zip(*turns, strict=True))
        print(f"images a second: {files:.1f} from files, {shards:.1f} from shards, ratio {shards / files:.2f}")


def rate(samples: ImageSamples, number: int) -> float:
    """Samples a second of the processor."""
    keys = MicroBatches(len(samples), 1, rank=0, processes=1, seed=0, start=0, stop=number)
    begin = time.process_time()
    for (key,) in keys:
        samples[key]
    return number / (time.process_time() - begin)


if __name__ == "__main__":
    main(tyro.cli(Options))
