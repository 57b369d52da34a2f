"""One evaluation: folders of images, their reference rows, one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL

from cfld.data.folder import FolderDataset
from cfld.data.registry import detect_dataset, open_dataset
from cfld.data.transforms import read_image
from cfld.evaluation.detections import read_detections
from cfld.evaluation.filename_patterns import DEFAULT_PATTERN, match_names
from cfld.evaluation.image_loading import Preparation
from cfld.evaluation.networks import Networks, open_networks
from cfld.evaluation.reconstruction import reconstruct
from cfld.evaluation.reference_statistics import real_names, real_statistics
from cfld.evaluation.score import IdentityFeatures, Method, Row, Scorer
from cfld.inference.reconstruction import open_vae
from cfld.metrics.fid import Gaussian
from cfld.metrics.protocols import PROTOCOLS, Protocol

FEATURES: Final = 2048
SHAPE_TOLERANCE: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Images of one method.

    Attributes:
        name: of the row.
        pattern: how the files are called, as in `match_names`.
        keypoints: what a detector found in them, as in `read_detections`.
    """

    name: str
    path: Path
    pattern: str = DEFAULT_PATTERN
    keypoints: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came of it.

    Attributes:
        protocol: a name of `PROTOCOLS`.
        data: the test split.
        size: (height, width) that images were compared at.
        rows: the folders in their order, then the reference rows.
        notes: what a reader of the table must know.
        problems: what went wrong on the way, every damaged image named; none = the evaluation is complete.
        networks: file name -> SHA-256 of the weights.
    """

    protocol: str
    data: FolderDataset
    size: tuple[int, int]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    networks: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How folders are scored.

    Attributes:
        protocol: a name of `PROTOCOLS`.
        size: (height, width) to compare at; none = that of the first image where it has the shape of the poses'
            frame, else the frame's.
        weights: the folder of weight files, as in `open_networks`.
        cache: the folder that keeps the statistics of FID's real sets.
        vae: a model whose VAE makes a row of its own.
        ground_truth: whether the true images make a row of their own.
        identity: what people are told apart by; none = not at all.
        skip_missing: leave out pairs of the data set whose annotation or image is missing.
    """

    cache: Path
    protocol: str = "cfld"
    size: tuple[int, int] | None = None
    weights: Path | None = None
    vae: str | None = None
    ground_truth: bool = True
    identity: IdentityFeatures | None = None
    skip_missing: bool = False
    device: torch.device | str = "cpu"


@dataclass(frozen=True)
class _Told:
    """What there is to tell besides figures."""

    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def evaluate_images(root: Path, folders: Sequence[Folder], settings: Settings, work: Path) -> Evaluation:
    """Scores folders against the test split of a data set. What is wrong with the arguments is told before any work.

    Args:
        root: the data set.
        work: a folder for reconstructions.

    Raises:
        ValueError: naming what cannot be evaluated, and all file names that do not fit.
    """
    if not folders and settings.vae is None and not settings.ground_truth:
        raise ValueError("nothing to score; name a folder of images")
    data = _open(root, "test", settings)
    methods = [_method(folder, data) for folder in folders]
    preparation = Preparation(_protocol(settings.protocol), settings.size or _size(methods, data))
    vae = None if settings.vae is None else open_vae(settings.vae, settings.device)
    networks = open_networks(preparation.protocol, settings.weights, settings.device)
    told = _Told(notes=list(networks.missing))
    real = _real_set(root, preparation, networks, settings, told)
    scorer = Scorer(data, preparation, networks, real, settings.device)
    gallery = None if settings.identity is None else scorer.gallery(settings.identity)
    if vae is not None:
        methods.append(_reconstructed(data, preparation, vae, work))
    if settings.ground_truth:
        methods.append(_truth(data))
    rows = tuple(scorer.score(method, gallery) for method in methods)
    _note_what_limits(rows, preparation, networks, told)
    damaged = [*(gallery.damaged if gallery else ()), *(line for row in rows for line in row.damaged)]
    told.problems.extend(dict.fromkeys([*damaged, *(row.problem for row in rows if row.problem)]))
    return Evaluation(
        protocol=settings.protocol,
        data=data,
        size=preparation.size,
        rows=rows,
        notes=tuple(told.notes),
        problems=tuple(told.problems),
        networks={loaded.file: loaded.sha256 for loaded in networks.loaded},
    )


def _open(root: Path, split: str, settings: Settings) -> FolderDataset:
    return open_dataset(detect_dataset(root), root, split, skip_missing=settings.skip_missing)


def _protocol(name: str) -> Protocol:
    if name not in PROTOCOLS:
        raise ValueError(f"protocol {name!r} is unknown; choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def _method(folder: Folder, data: FolderDataset) -> Method:
    files = match_names(folder.path, data.pairs, folder.pattern)
    poses = {} if folder.keypoints is None else read_detections(folder.keypoints, files, data.frame)
    return Method(name=folder.name, files=files, poses=poses)


def _size(methods: Sequence[Method], data: FolderDataset) -> tuple[int, int]:
    """That of the first image where it has the shape of the poses' frame, else the frame's."""
    for method in methods:
        with suppress(ValueError):
            image = read_image(next(iter(method.files.values())))
            shape = image.width / image.height / (data.frame[1] / data.frame[0])
            return (image.height, image.width) if abs(shape - 1) < SHAPE_TOLERANCE else data.frame
    return data.frame


def _reconstructed(data: FolderDataset, preparation: Preparation, vae: AutoencoderKL, work: Path) -> Method:
    """The last row but one of the paper's tables 2 and 4."""
    targets = list(dict.fromkeys(target for _, target in data.pairs))
    files = reconstruct(data, targets, vae, preparation, work)
    return Method(name="VAE reconstructed", files={pair: files[pair[1]] for pair in data.pairs})


def _truth(data: FolderDataset) -> Method:
    """Their last row: what figures a perfect model gets; its FID is that of test set and training set."""
    return Method(name="ground truth", files={pair: data.path(pair[1]) for pair in data.pairs}, is_truth=True)


def _real_set(
    root: Path, preparation: Preparation, networks: Networks, settings: Settings, told: _Told
) -> Gaussian | None:
    """A data set without a training split has no FID, which is worth a note; damaged images in it are a problem."""
    if networks.inception is None:
        return None
    try:
        train = _open(root, "train", settings)
        names = real_names(train, preparation.protocol)
    except ValueError as error:
        told.notes.append(f"FID left out: {error}")
        return None
    try:
        return real_statistics(train, names, preparation, networks.inception, settings.cache, settings.device)
    except ValueError as error:
        told.problems.append(f"FID left out: {error}")
        return None


def _note_what_limits(rows: Sequence[Row], preparation: Preparation, networks: Networks, told: _Told) -> None:
    for loaded in networks.loaded:
        if not loaded.published:
            told.notes.append(
                f"{loaded.file} is not the published file (SHA-256 {loaded.sha256}): compare with no paper"
            )
    fewest = min(len(row.pairs) for row in rows)
    if any("fid" in row.figures for row in rows) and fewest < FEATURES:
        told.notes.append(f"FID of {fewest} images, fewer than its {FEATURES} features: compare at equal n only")
    window, shortest = preparation.protocol.ssim.window, min(preparation.size)
    if window is not None and shortest < window and not preparation.protocol.padded:
        told.notes.append(f"SSIM's window of {window} does not fit: the largest odd one that does was taken")
