"""Evaluates folders of images, and reference rows, by one protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL

from cfld.data.folder import FolderDataset
from cfld.data.registry import detect_dataset, open_dataset
from cfld.data.transforms import read_image
from cfld.evaluation.detected_poses import read_detected_poses
from cfld.evaluation.fid_reference import reference_names, reference_statistics
from cfld.evaluation.filename_patterns import DEFAULT_PATTERN, match_names
from cfld.evaluation.networks import Networks, load_networks
from cfld.evaluation.preparation import Preparation
from cfld.evaluation.scorer import Method, Row, Scorer
from cfld.evaluation.strips import cut_strips
from cfld.evaluation.vae_reconstruction import reconstruct
from cfld.inference.reconstruction import open_vae
from cfld.metrics.fid import Gaussian
from cfld.metrics.protocols import PROTOCOLS

FID_FEATURES: Final = 2048
ASPECT_TOLERANCE: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Images of one method.

    Attributes:
        name: of the row.
        pattern: of the file names, as in `match_names`.
        column: where the files are strips of several images, which of them is scored, as in `cut_strips`.
        keypoints: poses detected in the images, as in `read_detected_poses`.
    """

    name: str
    path: Path
    pattern: str = DEFAULT_PATTERN
    column: int | None = None
    keypoints: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Results of `evaluate_images`.

    Attributes:
        protocol: a name in `PROTOCOLS`.
        data: the test split.
        size: (height, width) at which images were compared.
        rows: the folders in their order, then the reference rows.
        notes: remarks for readers of the table.
        problems: errors, with every damaged image by name; empty if the evaluation is complete.
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
        protocol: a name in `PROTOCOLS`.
        size: (height, width) at which images are compared; None = that of the first image if its aspect ratio is that
            of the data set's frame, else the frame's.
        weights: folder of weight files, as in `load_networks`.
        cache: folder that keeps the statistics of FID's reference sets.
        vae: a model whose VAE reconstructions of the true images make a row.
        ground_truth: whether the true images make a row, as in tables 2 and 4; its FID is that of the two splits.
        identity: features for identity retrieval, a name in `IDENTITY_FEATURES`; None = no identity metrics.
        skip_missing: skip pairs of the data set whose annotation or image is missing.
    """

    cache: Path
    protocol: str = "cfld"
    size: tuple[int, int] | None = None
    weights: Path | None = None
    vae: str | None = None
    ground_truth: bool = True
    identity: str | None = None
    skip_missing: bool = False
    device: torch.device | str = "cpu"


def evaluate_images(root: Path, folders: Sequence[Folder], settings: Settings, work: Path) -> Evaluation:
    """Scores folders against the test split of a data set. Arguments are checked before any computation.

    Args:
        root: the data set.
        work: a folder for VAE reconstructions, and for images cut out of strips.

    Raises:
        ValueError: for invalid arguments, listing all mismatched file names.
    """
    if not folders and settings.vae is None and not settings.ground_truth:
        raise ValueError("nothing to score; name a folder of images")
    data = _open(root, "test", settings)
    problems: list[str] = []
    methods = [_method(folder, data, work, problems) for folder in folders]
    if settings.protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {settings.protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    preparation = Preparation(PROTOCOLS[settings.protocol], settings.size or _size(methods, data))
    for file in [next(iter(method.files.values())) for method in methods]:
        _check_first(file, preparation)
    vae = None if settings.vae is None else open_vae(settings.vae, settings.device)
    networks = load_networks(preparation.protocol, settings.weights, settings.device)
    notes = list(networks.missing)
    reference = _fid_reference(root, preparation, networks, settings, notes, problems)
    scorer = Scorer(data, preparation, networks, reference, settings.device)
    gallery = None if settings.identity is None else scorer.gallery(settings.identity)
    if vae is not None:
        methods.append(_reconstructed(data, preparation, vae, work))
    if settings.ground_truth:
        files = {pair: data.path(pair[1]) for pair in data.pairs}
        methods.append(Method(name="ground truth", files=files, is_truth=True))
    rows = tuple(scorer.score(method, gallery) for method in methods)
    notes += _limitations(rows, preparation, networks)
    damaged = [*(gallery.damaged if gallery else ()), *(message for row in rows for message in row.damaged)]
    problems += dict.fromkeys([*damaged, *(row.problem for row in rows if row.problem)])
    return Evaluation(
        protocol=settings.protocol,
        data=data,
        size=preparation.size,
        rows=rows,
        notes=tuple(notes),
        problems=tuple(problems),
        networks={loaded.file: loaded.sha256 for loaded in networks.loaded},
    )


def _open(root: Path, split: str, settings: Settings) -> FolderDataset:
    return open_dataset(detect_dataset(root), root, split, skip_missing=settings.skip_missing)


def _method(folder: Folder, data: FolderDataset, work: Path, problems: list[str]) -> Method:
    files = match_names(folder.path, data.pairs, folder.pattern)
    poses = {} if folder.keypoints is None else read_detected_poses(folder.keypoints, files, data.frame)
    if folder.column is not None:
        files, damaged = cut_strips(files, folder.column, data.frame, work / f"strips-{folder.name}")
        problems += damaged
    return Method(name=folder.name, files=files, poses=poses)


def _size(methods: Sequence[Method], data: FolderDataset) -> tuple[int, int]:
    """See `Settings.size`."""
    for method in methods:
        with suppress(ValueError):
            image = read_image(next(iter(method.files.values())))
            aspect = image.width / image.height / (data.frame[1] / data.frame[0])
            return (image.height, image.width) if abs(aspect - 1) < ASPECT_TOLERANCE else data.frame
    return data.frame


def _check_first(file: Path, preparation: Preparation) -> None:
    """Raises ValueError if the first image of a folder, so probably each, has another shape; not if it is damaged."""
    try:
        image = read_image(file)
    except ValueError:
        return
    try:
        preparation.check_aspect(image)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _reconstructed(data: FolderDataset, preparation: Preparation, vae: AutoencoderKL, work: Path) -> Method:
    """The row "VAE reconstructed" of the paper's tables 2 and 4."""
    targets = list(dict.fromkeys(target for _, target in data.pairs))
    files = reconstruct(data, targets, vae, preparation, work)
    return Method(name="VAE reconstructed", files={pair: files[pair[1]] for pair in data.pairs})


def _fid_reference(
    root: Path,
    preparation: Preparation,
    networks: Networks,
    settings: Settings,
    notes: list[str],
    problems: list[str],
) -> Gaussian | None:
    """Notes a data set without a training split; lists damaged images in it as a problem; neither has FID."""
    if networks.inception is None:
        return None
    try:
        train = _open(root, "train", settings)
        names = reference_names(train, preparation.protocol)
    except ValueError as error:
        notes.append(f"FID is omitted: {error}")
        return None
    try:
        return reference_statistics(train, names, preparation, networks.inception, settings.cache, settings.device)
    except ValueError as error:
        problems.append(f"FID is omitted: {error}")
        return None


def _limitations(rows: Sequence[Row], preparation: Preparation, networks: Networks) -> Iterator[str]:
    for loaded in networks.loaded:
        if not loaded.published:
            yield f"{loaded.file} is not the published file (SHA-256 {loaded.sha256}): not comparable with papers"
    fewest = min(len(row.pairs) for row in rows)
    if any("fid" in row.figures for row in rows) and fewest < FID_FEATURES:
        yield f"FID is computed from {fewest} images, fewer than its {FID_FEATURES} features: compare at equal n only"
    window, shortest = preparation.protocol.ssim.window, min(preparation.size)
    if window is not None and shortest < window and not preparation.protocol.padded:
        yield f"SSIM's window of {window} is larger than the images: the largest odd window is used"
