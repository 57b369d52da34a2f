"""Folders of images against a test set: the figures of a table's rows, whoever made the images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cfld.data.folder import FolderDataset
from cfld.evaluation.image_loading import ImageArray, Preparation, read_batches, read_prepared, stack
from cfld.evaluation.networks import Networks
from cfld.metrics.fid import FeatureStatistics, Gaussian, frechet_distance
from cfld.metrics.identity_retrieval import colour_features, people, retrieve
from cfld.metrics.pose_accuracy import oks, pck
from cfld.metrics.psnr import psnr
from cfld.metrics.ssim import ssim
from cfld.poses.keypoints import Keypoints

Pair: TypeAlias = tuple[str, str]
"""(source name, target name)."""

IdentityFeatures: TypeAlias = Literal["colours", "inception"]


@dataclass(frozen=True, kw_only=True)
class Method:
    """Images that make a row.

    Attributes:
        files: pair -> image; several pairs may share one.
        is_truth: whether the files are true images, to be prepared as such.
        poses: pair -> joints that a detector found in the image; empty = no detector was run.
    """

    name: str
    files: Mapping[Pair, Path]
    is_truth: bool = False
    poses: Mapping[Pair, Keypoints] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PairScore:
    """One image's figures, by the names of `METRICS`."""

    source: str
    target: str
    file: Path
    figures: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table.

    Attributes:
        figures: means over images where they are defined, and what belongs to the set alone.
        pairs: every image that could be read; their number is n.
        damaged: a line for every image that could not.
        problem: why FID is not among the figures though its network is there; empty = it is.
    """

    name: str
    figures: Mapping[str, float]
    pairs: tuple[PairScore, ...]
    damaged: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """True images that generated ones are looked up in.

    Attributes:
        kind: what images are told apart by.
        features: (N, D), of length one each.
        names: of the N images.
        people: name -> person.
        damaged: a line for every image that could not be read, and is not among the N.
    """

    kind: IdentityFeatures
    features: NDArray[np.float32]
    names: tuple[str, ...]
    people: Mapping[str, int]
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Read:
    truth: ImageArray
    made: ImageArray
    figures: dict[str, float]


class Scorer:
    """Scores rows against one test set, by one protocol."""

    def __init__(
        self,
        data: FolderDataset,
        preparation: Preparation,
        networks: Networks,
        real: Gaussian | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """
        Args:
            data: the test split.
            real: statistics of FID's real set; none = no FID.
        """
        self._data, self._prepare, self._networks, self._real, self._device = data, preparation, networks, real, device

    def score(self, method: Method, gallery: Gallery | None = None) -> Row:
        """One row. Images pass through memory a few at a time; a damaged one is noted, and the rest goes on.

        Args:
            gallery: to look identities up in; none = not asked for.
        """
        statistics = FeatureStatistics()
        scores: list[PairScore] = []
        damaged: list[str] = []
        for batch in read_batches(list(method.files), partial(self._read, method), method.name):
            damaged += [image.reason for image in batch.damaged]
            if not batch.read:
                continue
            made = stack([read.made for read in batch.read])
            features = self._inception_features(made)
            if features is not None:
                statistics.update(features)
            columns = self._lpips(stack([read.truth for read in batch.read]), made)
            if gallery is not None:
                columns |= _identity(gallery, batch.items, _identity_features(gallery.kind, made, features))
            scores += [
                PairScore(
                    source=pair[0],
                    target=pair[1],
                    file=method.files[pair],
                    figures={**read.figures, **{name: float(values[i]) for name, values in columns.items()}},
                )
                for i, (pair, read) in enumerate(zip(batch.items, batch.read, strict=True))
            ]
        return self._row(method.name, scores, damaged, statistics)

    def gallery(self, kind: IdentityFeatures) -> Gallery:
        """The true images of all pairs.

        Raises:
            ValueError: when `kind` needs weights that are not there.
        """
        if kind == "inception" and self._networks.inception is None:
            raise ValueError("identities by Inception features need its weights; without them use colours")
        numbers = people(self._data.pairs)
        found: list[NDArray[np.float32]] = []
        names: list[str] = []
        damaged: list[str] = []
        for batch in read_batches(list(numbers), self._read_truth, "true images"):
            damaged += [image.reason for image in batch.damaged]
            if batch.read:
                images = stack(batch.read)
                features = self._inception_features(images) if kind == "inception" else None
                found.append(_identity_features(kind, images, features))
                names += batch.items
        if not found:
            raise ValueError(f"{self._data.root}: no true image can be read, for example {damaged[0]}")
        return Gallery(
            kind=kind,
            features=np.concatenate(found),
            names=tuple(names),
            people=numbers,
            damaged=tuple(damaged),
        )

    def _read_truth(self, name: str) -> ImageArray:
        return read_prepared(self._data.path(name), self._prepare.truth)

    def _read(self, method: Method, pair: Pair) -> _Read:
        truth = self._read_truth(pair[1])
        made = truth if method.is_truth else read_prepared(method.files[pair], self._prepare.prediction)
        protocol = self._prepare.protocol
        figures = {"ssim": ssim(truth, made, protocol.ssim), "psnr": psnr(truth, made)}
        if protocol.ssim_256 is not None:
            figures["ssim_256"] = ssim(truth, made, protocol.ssim_256)
        if pair in method.poses:
            wanted, found = self._data.keypoints(pair[1]), method.poses[pair]
            figures |= {"pck_0.1": pck(wanted, found, 0.1), "pck_0.2": pck(wanted, found, 0.2)}
            figures["oks"] = oks(wanted, found)
        return _Read(truth, made, figures)

    @torch.no_grad()
    def _inception_features(self, images: Tensor) -> NDArray[np.float32] | None:
        if self._networks.inception is None:
            return None
        features: Tensor = self._networks.inception.network(images.to(self._device))
        return features.cpu().numpy()

    @torch.no_grad()
    def _lpips(self, truth: Tensor, made: Tensor) -> dict[str, NDArray[np.float32]]:
        if not self._prepare.protocol.lpips_zero_one:
            truth, made = 2 * truth - 1, 2 * made - 1
        truth, made = truth.to(self._device), made.to(self._device)
        return {name: loaded.network(truth, made).cpu().numpy() for name, loaded in self._networks.lpips.items()}

    def _row(self, name: str, scores: list[PairScore], damaged: list[str], statistics: FeatureStatistics) -> Row:
        row = Row(name=name, figures=_means(scores), pairs=tuple(scores), damaged=tuple(damaged))
        if len(scores) < 2:
            return replace(
                row, problem=f"{name}: FID needs a covariance, and that at least 2 images; got {len(scores)}"
            )
        if self._real is None or statistics.n == 0:
            return row
        return replace(row, figures={"fid": frechet_distance(self._real, statistics.gaussian()), **row.figures})


def _means(scores: Sequence[PairScore]) -> dict[str, float]:
    """Over the images that a figure is defined for; it is NaN for others."""
    columns: dict[str, list[float]] = {}
    for score in scores:
        for name, value in score.figures.items():
            if not math.isnan(value):
                columns.setdefault(name, []).append(value)
    return {name: math.fsum(values) / len(values) for name, values in columns.items()}


def _identity_features(
    kind: IdentityFeatures, images: Tensor, inception: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    if kind == "colours":
        return colour_features((images * 255).round().clamp(0, 255).to(torch.uint8).numpy())
    assert inception is not None
    lengths = np.linalg.norm(inception, axis=1, keepdims=True)
    unit: NDArray[np.float32] = inception / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit


def _identity(gallery: Gallery, pairs: Iterable[Pair], queries: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """The source image is no candidate: a copy of it would be right without any new pose."""
    names = np.array(gallery.names)
    persons = np.array([gallery.people[name] for name in gallery.names])
    results = []
    for (source, _), query in zip(pairs, queries, strict=True):
        candidates = names != source
        results.append(retrieve(query, gallery.features[candidates], persons[candidates] == gallery.people[source]))
    return {
        "identity_rank_1": np.array([result.rank_1 for result in results], dtype=np.float32),
        "identity_map": np.array([result.average_precision for result in results], dtype=np.float32),
    }
