"""FID's real set: the training images as a protocol counts them, and their statistics, kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from cfld.data.folder import FolderDataset
from cfld.evaluation.image_loading import ImageArray, Preparation, read_batches, read_prepared, stack
from cfld.files import replacing
from cfld.metrics.fid import FeatureStatistics, Gaussian
from cfld.metrics.protocols import Protocol
from cfld.metrics.weights import Loaded


def real_names(data: FolderDataset, protocol: Protocol) -> Sequence[str]:
    """The images that count.

    Raises:
        ValueError: when fewer than two are left, which have no covariance.
    """
    batch = protocol.fid_batch or 1
    names = data.names[: len(data.names) // batch * batch]
    if len(names) < 2:
        counted = f" in whole batches of {batch}" if batch > 1 else ""
        raise ValueError(f"{data.root}: {len(data.names)} training images{counted} are too few for a covariance")
    return names


def real_statistics(
    data: FolderDataset,
    names: Sequence[str],
    preparation: Preparation,
    inception: Loaded,
    cache: Path,
    device: torch.device | str = "cpu",
) -> Gaussian:
    """Statistics of the named images' features; computed once for a protocol, size, network and list of files.

    Args:
        cache: the folder that keeps them, some 33 MB each.

    Raises:
        ValueError: naming every image that could not be read, once all have been tried.
    """
    path = cache / f"fid-real-{_key(data, names, preparation, inception)}.npz"
    if path.is_file():
        return Gaussian.load(path)
    statistics = FeatureStatistics()
    damaged: list[str] = []
    read = partial(_read, data, preparation)
    for batch in read_batches(names, read, "real set"):
        damaged += [image.reason for image in batch.damaged]
        if batch.read:
            with torch.no_grad():
                statistics.update(inception.network(stack(batch.read, device)).cpu().numpy())
    if damaged:
        raise ValueError(f"{len(damaged)} images of FID's real set cannot be read: {'; '.join(damaged)}")
    cache.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        statistics.gaussian().save(temporary)
    return Gaussian.load(path)


def _read(data: FolderDataset, preparation: Preparation, name: str) -> ImageArray:
    return read_prepared(data.path(name), preparation.truth)


def _key(data: FolderDataset, names: Sequence[str], preparation: Preparation, inception: Loaded) -> str:
    stats = [(name, data.path(name).stat()) for name in names]
    files = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    content = json.dumps([asdict(preparation), inception.sha256, files])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
