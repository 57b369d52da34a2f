"""The reference set of FID: the training images, as a protocol counts them, and their cached statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from cfld.data.folder import FolderDataset
from cfld.digests import file_digest, in_threads, json_digest
from cfld.evaluation.image_loading import read_batches, read_prepared, stack
from cfld.evaluation.preparation import ImageArray, Preparation
from cfld.files import replacing
from cfld.metrics.fid import FeatureStatistics, Gaussian
from cfld.metrics.protocols import Protocol
from cfld.metrics.weights import Loaded
from cfld.readers.tensors import load_arrays


def reference_names(data: FolderDataset, protocol: Protocol) -> Sequence[str]:
    """Returns the training images that a protocol uses.

    Raises:
        ValueError: if they are fewer than two, which have no covariance.
    """
    batch = protocol.fid_batch or 1
    names = data.names[: len(data.names) // batch * batch]
    if len(names) < 2:
        counted = f" in whole batches of {batch}" if batch > 1 else ""
        raise ValueError(f"{data.root}: {len(data.names)} training images{counted} are too few for a covariance")
    return names


def reference_statistics(
    data: FolderDataset,
    names: Sequence[str],
    preparation: Preparation,
    inception: Loaded,
    cache: Path,
    device: torch.device | str = "cpu",
) -> Gaussian:
    """Returns the statistics of the named images' features.

    Args:
        cache: folder that keeps them per protocol, size, network and content of the images; about 33 MB each.

    Raises:
        ValueError: naming every image that cannot be read, after all have been tried, or a damaged file of the cache.
    """
    path = cache / f"fid-real-{_key(data, names, preparation, inception)}.npz"
    if path.is_file():
        return load_gaussian(path)
    statistics = FeatureStatistics()
    damaged: list[str] = []

    def read(name: str) -> ImageArray:
        return read_prepared(data.path(name), preparation.truth)

    for batch in read_batches(names, read, "FID reference set"):
        damaged += batch.damaged
        if batch.results:
            with torch.no_grad():
                statistics.update(inception.network(stack(batch.results, device)).cpu().numpy())
    if damaged:
        raise ValueError(f"{len(damaged)} images of FID's reference set cannot be read: {'; '.join(damaged)}")
    cache.mkdir(parents=True, exist_ok=True)
    save_gaussian(statistics.gaussian(), path)
    return load_gaussian(path)


def save_gaussian(gaussian: Gaussian, path: Path) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **vars(gaussian))


def load_gaussian(path: Path) -> Gaussian:
    """Raises ValueError naming a file that `save_gaussian` did not write."""
    try:
        file = load_arrays(path)
        return Gaussian(file["mean"], file["covariance"], int(file["n"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a file of FID statistics ({error}); remove it") from None


def _key(data: FolderDataset, names: Sequence[str], preparation: Preparation, inception: Loaded) -> str:
    images = in_threads(lambda name: file_digest(data.path(name)), names, "checking images")
    return json_digest([asdict(preparation), inception.sha256, images])[:16]
