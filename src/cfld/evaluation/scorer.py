"""Scores folders of images against a test set, one row of the table each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cfld.data.folder import FolderDataset
from cfld.evaluation.image_loading import read_batches, read_prepared, stack
from cfld.evaluation.networks import Networks
from cfld.evaluation.preparation import ImageArray, Preparation
from cfld.metrics.base import ImageMetric, NetworkMetric, PoseMetric
from cfld.metrics.fid import FeatureStatistics, Gaussian, frechet_distance
from cfld.metrics.identity_retrieval import IdentityFeatures, people, retrieve
from cfld.metrics.registry import IDENTITY_FEATURES, METRICS
from cfld.poses.keypoints import Keypoints

Pair: TypeAlias = tuple[str, str]
"""(source name, target name)."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """Images that make a row.

    Attributes:
        files: pair -> image; several pairs may share one.
        is_truth: whether the files are true images and prepared as such.
        poses: pair -> joints that a detector found in the image; empty = no detector was run.
    """

    name: str
    files: Mapping[Pair, Path]
    is_truth: bool = False
    poses: Mapping[Pair, Keypoints] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PairScore:
    """The figures of one image, by name of the metric."""

    source: str
    target: str
    file: Path
    figures: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table.

    Attributes:
        figures: by name of the metric: means over the images for which it is defined, and FID.
        pairs: all images that could be read.
        damaged: a message for every image that could not.
        problem: why FID could not be computed; empty if it could, or if its network or reference set is missing.
    """

    name: str
    figures: Mapping[str, float]
    pairs: tuple[PairScore, ...]
    damaged: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """The true images among which generated ones are looked up.

    Attributes:
        kind: of the features.
        features: (N, D), of unit length.
        names: of the N images.
        people: name -> person.
        damaged: a message for every image that could not be read, and is not among the N.
    """

    kind: IdentityFeatures
    features: NDArray[np.float32]
    names: tuple[str, ...]
    people: Mapping[str, int]
    damaged: tuple[str, ...] = ()

    def look_up(self, pairs: Iterable[Pair], queries: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Retrieves generated images, given by their features (B, D).

        The source image is excluded: a mere copy of it would be a hit.

        Returns:
            name of the metric -> (B,).
        """
        names = np.array(self.names)
        persons = np.array([self.people[name] for name in self.names])
        results = []
        for (source, _), query in zip(pairs, queries, strict=True):
            candidates = names != source
            results.append(retrieve(query, self.features[candidates], persons[candidates] == self.people[source]))
        return {
            "identity_rank_1": np.array([result.rank_1 for result in results], dtype=np.float32),
            "identity_map": np.array([result.average_precision for result in results], dtype=np.float32),
        }


@dataclass(frozen=True)
class _Comparison:
    truth: ImageArray
    prediction: ImageArray
    figures: dict[str, float]


class Scorer:
    """Scores rows against one test set, by one protocol."""

    def __init__(
        self,
        data: FolderDataset,
        preparation: Preparation,
        networks: Networks,
        reference: Gaussian | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """
        Args:
            data: the test split.
            reference: statistics of FID's reference set; None = no FID.
        """
        self._data, self._prepare, self._networks = data, preparation, networks
        self._reference, self._device = reference, device
        metrics = {name: metric for name, metric in METRICS.items() if metric.in_protocol(preparation.protocol)}
        self._image_metrics = {name: metric for name, metric in metrics.items() if isinstance(metric, ImageMetric)}
        self._network_metrics = {
            name: metric
            for name, metric in metrics.items()
            if isinstance(metric, NetworkMetric) and name in networks.of_metrics
        }
        self._pose_metrics = {name: metric for name, metric in METRICS.items() if isinstance(metric, PoseMetric)}

    def score(self, method: Method, gallery: Gallery | None = None) -> Row:
        """Computes one row, a few images at a time; damaged images are listed, and the others scored.

        Args:
            gallery: for identity retrieval; None = none.
        """
        statistics = FeatureStatistics()
        scores: list[PairScore] = []
        damaged: list[str] = []
        for batch in read_batches(list(method.files), partial(self._compare, method), method.name):
            damaged += batch.damaged
            if not batch.results:
                continue
            predictions = stack([result.prediction for result in batch.results])
            features = self._inception_features(predictions)
            if features is not None:
                statistics.update(features)
            columns = self._by_networks(stack([result.truth for result in batch.results]), predictions)
            if gallery is not None:
                columns |= gallery.look_up(batch.items, gallery.kind.extract(predictions.numpy(), features))
            for i, (pair, result) in enumerate(zip(batch.items, batch.results, strict=True)):
                of_pair = result.figures | {name: float(values[i]) for name, values in columns.items()}
                scores.append(PairScore(source=pair[0], target=pair[1], file=method.files[pair], figures=of_pair))
        figures, problem = _means(scores), ""
        if len(scores) < 2:
            problem = f"{method.name}: FID needs at least 2 images, got {len(scores)}"
        elif self._reference is not None and statistics.n:
            figures = {"fid": frechet_distance(self._reference, statistics.gaussian()), **figures}
        return Row(name=method.name, figures=figures, pairs=tuple(scores), damaged=tuple(damaged), problem=problem)

    def gallery(self, kind: str) -> Gallery:
        """Computes the features of the true images of all pairs.

        Args:
            kind: a name in `IDENTITY_FEATURES`.

        Raises:
            ValueError: if the features need weights that are missing, or no true image can be read.
        """
        features = IDENTITY_FEATURES[kind]
        if features.needs_inception and self._networks.inception is None:
            raise ValueError(f"identity features {kind!r} need the weights of Inception-v3; use colours without them")
        persons = people(self._data.pairs)
        found: list[NDArray[np.float32]] = []
        names: list[str] = []
        damaged: list[str] = []
        for batch in read_batches(list(persons), self._read_truth, "true images"):
            damaged += batch.damaged
            if batch.results:
                images = stack(batch.results)
                inception = self._inception_features(images) if features.needs_inception else None
                found.append(features.extract(images.numpy(), inception))
                names += batch.items
        if not found:
            raise ValueError(f"{self._data.root}: no true image can be read, for example {damaged[0]}")
        return Gallery(
            kind=features,
            features=np.concatenate(found),
            names=tuple(names),
            people=persons,
            damaged=tuple(damaged),
        )

    def _read_truth(self, name: str) -> ImageArray:
        return read_prepared(self._data.path(name), self._prepare.truth)

    def _compare(self, method: Method, pair: Pair) -> _Comparison:
        truth = self._read_truth(pair[1])
        prediction = truth if method.is_truth else read_prepared(method.files[pair], self._prepare.prediction)
        protocol = self._prepare.protocol
        figures = {name: metric.compute(truth, prediction, protocol) for name, metric in self._image_metrics.items()}
        if pair in method.poses:
            target, detected = self._data.keypoints(pair[1]), method.poses[pair]
            figures |= {name: metric.compute(target, detected) for name, metric in self._pose_metrics.items()}
        return _Comparison(truth, prediction, figures)

    @torch.no_grad()
    def _inception_features(self, images: Tensor) -> NDArray[np.float32] | None:
        if self._networks.inception is None:
            return None
        features: Tensor = self._networks.inception.network(images.to(self._device))
        return features.cpu().numpy()

    @torch.no_grad()
    def _by_networks(self, truth: Tensor, prediction: Tensor) -> dict[str, NDArray[np.float32]]:
        truth, prediction = truth.to(self._device), prediction.to(self._device)
        networks, protocol = self._networks.of_metrics, self._prepare.protocol
        return {
            name: metric.compute(networks[name].network, truth, prediction, protocol).cpu().numpy()
            for name, metric in self._network_metrics.items()
        }


def _means(scores: Sequence[PairScore]) -> dict[str, float]:
    """Means over the images for which a figure is defined, that is, not NaN."""
    columns: dict[str, list[float]] = {}
    for score in scores:
        for name, value in score.figures.items():
            if not math.isnan(value):
                columns.setdefault(name, []).append(value)
    return {name: math.fsum(values) / len(values) for name, values in columns.items()}
