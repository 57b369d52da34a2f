"""Re-identification, the paper's future work: do generated images, and does H_S, help to recognise people never seen?

A network, H_S with a classifier of identities, is trained on few mannequins with one or two images each; then images
of other people are ranked by its features. People, poses, weights and batches differ from seed to seed; a camera is a
tint.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from cfld.config.schema import SamplingConfig
from cfld.data.lists import write_annotations
from cfld.data.market1501 import LAYOUT
from cfld.data.reidentification import ReidName, read_reid_folder
from cfld.data.transforms import read_image, to_model_range, to_pil, to_uint8
from cfld.files import replacing, save_json, write_text
from cfld.inference.augmentation import Augmentation, augment
from cfld.inference.features import encode_features, unit_prompts
from cfld.inference.generation import model_digest
from cfld.inputs import source_batch
from cfld.mannequin.attribute_network.training import shifted
from cfld.mannequin.dataset import MannequinDataset
from cfld.mannequin.network_config import NetworkConfig
from cfld.mannequin.networks import fit
from cfld.metrics.reidentification import ReidImages, ReidScore, reidentification
from cfld.models.swin import SwinTransformer
from cfld.pipeline import CFLDPipeline
from cfld.readers.text import load_object
from cfld.reproduction.scales import ReidScale, Scale
from cfld.reproduction.tables import Options

logger = logging.getLogger(__name__)

SEEDS: Final = (0, 1, 2)
CAMERAS: Final = 2
GAINS: Final = (0.8, 1.2)
"""Range of the factors of red, green and blue by which cameras, and training images, differ."""
LEARNING_RATE: Final = 1e-3
UNTRAINED: Final = "the prompt, untrained"
STARTS: Final = {"random weights": False, "H_S": True}
BATCH: Final = 32


@dataclass(frozen=True, kw_only=True)
class ReidRow:
    """
    Attributes:
        start: what the network starts from.
        augmented: whether generated images are among the training images.
        scores: one a seed.
    """

    start: str
    augmented: bool
    scores: tuple[ReidScore, ...]

    def figure(self, name: str) -> str:
        """Mean and standard deviation over the seeds."""
        values = [getattr(score, name) for score in self.scores]
        return f"{mean(values):.3f} ± {stdev(values):.3f}"


@dataclass(frozen=True, kw_only=True)
class ReidResults:
    """
    Attributes:
        settings: what determines the figures.
    """

    settings: Mapping[str, Any]
    rows: tuple[ReidRow, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def to_markdown(self) -> str:
        """Returns title, settings and table."""
        settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.settings.items())
        lines = [f"**Re-identification of people never seen** ({settings})", ""]
        lines += ["| network starts from | generated images | rank-1 ↑ | mAP ↑ |", "| --- | --- | --- | --- |"]
        for row in self.rows:
            figures = row.figure("rank_1"), row.figure("mean_average_precision")
            lines.append(f"| {row.start} | {'yes' if row.augmented else 'no'} | {' | '.join(figures)} |")
        return "\n".join(lines)


def reproduce_reid(scale: Scale, out: Path, options: Options) -> ReidResults:
    """Trains and scores four networks a seed; finished seeds are not repeated.

    Raises:
        ValueError: for a scale of photographs.
    """
    if scale.reid is None:
        raise ValueError("reid renders its people; choose --scale mannequin")
    pipe = CFLDPipeline.from_pretrained(options.init_from or "mannequin").use_recipe("fast")
    settings = {**asdict(scale.reid), "steps": options.max_steps or scale.reid.steps, "model": model_digest(pipe)}
    seeds = [_seed(pipe, ReidScale(**_without(settings, "model")), settings, seed, out / "reid") for seed in SEEDS]
    rows = tuple(
        ReidRow(start=start, augmented=augmented, scores=tuple(scores[start, augmented] for scores in seeds))
        for start, augmented in seeds[0]
    )
    results = ReidResults(settings={**settings, "seeds": len(SEEDS)}, rows=rows)
    write_text(out / "reid.md", results.to_markdown() + "\n")
    save_json(results.to_json(), out / "reid.json")
    return results


def write_people(out: Path, scale: ReidScale, seed: int) -> None:
    """Writes the people of a seed, none of whom a model was trained on, in Market-1501's layout.

    Image v of a person is by camera v mod 2; test images by each camera once are the queries.
    """
    number = scale.people + scale.test_people
    dataset = MannequinDataset(identities=number, poses=scale.test_images, seed=seed, split="test")
    poses = {}
    for index, original in enumerate(dataset.names):
        person, view = divmod(index, scale.test_images)
        if person < scale.people and view > person % 2:
            continue
        folder = "bounding_box_train" if person < scale.people else "query" if view < CAMERAS else "bounding_box_test"
        name = f"{person + 1:04d}_c{view % CAMERAS + 1}s1_{view:06d}_00.jpg"
        (out / folder).mkdir(parents=True, exist_ok=True)
        with replacing(out / folder / name) as temporary:
            to_pil(seen_by(view % CAMERAS, dataset.image(original))).save(temporary, format="JPEG", quality=95)
        if person < scale.people:
            poses[name] = dataset.keypoints(original).scaled(LAYOUT.frame)
    write_annotations(out / LAYOUT.annotations[0].format(split="train"), poses)


def seen_by(camera: int, image: Tensor) -> Tensor:
    """uint8 (3, H, W) in the tint of a camera."""
    gains = torch.from_numpy(np.random.default_rng(camera).uniform(*GAINS, (3, 1, 1)))
    return (image * gains).round().clamp(0, 255).to(torch.uint8)


class ReidNetwork(nn.Module):
    """H_S, the means of its scales, normalised, and a classifier of the training identities."""

    def __init__(self, encoder: SwinTransformer, identities: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.norm = nn.BatchNorm1d(sum(encoder.channels))
        self.classify = nn.Linear(sum(encoder.channels), identities, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] -> logits (B, identities)."""
        return self.classify(self.embed(images))

    def embed(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] -> features (B, D)."""
        return self.norm(torch.cat([f_l.mean((2, 3)) for f_l in self.encoder(images)], dim=1))


@dataclass(frozen=True, eq=False)
class _Folder:
    """Images of a folder as the encoder's squares: uint8 (N, S, S, 3)."""

    pixels: NDArray[np.uint8]
    names: Sequence[ReidName]

    @classmethod
    def read(cls, folder: Path, side: int) -> _Folder:
        files = read_reid_folder(folder)
        squares = [to_uint8(source_batch(read_image(file), side))[0] for file in files]
        return cls(torch.stack(squares).permute(0, 2, 3, 1).numpy(), list(files.values()))

    def described(self, features: NDArray[np.floating[Any]]) -> ReidImages:
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        identities, cameras = zip(*((name.identity, name.camera) for name in self.names), strict=True)
        return ReidImages(unit, np.array(identities), np.array(cameras))

    def tensors(self) -> Iterator[Tensor]:
        """Batches (B, 3, S, S) in [-1, 1]."""
        yield from to_model_range(torch.from_numpy(self.pixels).permute(0, 3, 1, 2)).split(BATCH)


def _seed(
    pipe: CFLDPipeline, scale: ReidScale, settings: Mapping[str, Any], seed: int, out: Path
) -> dict[tuple[str, bool], ReidScore]:
    """The scores of one seed, by start and augmentation."""
    done = out / f"seed{seed}.json"
    if done.exists() and (saved := load_object(done))["settings"] == settings:
        return {(row["start"], row["augmented"]): ReidScore(**row["score"]) for row in saved["rows"]}
    data, augmented, side = out / f"people{seed}", out / f"augmented{seed}", pipe.conditioner.config.source_size
    write_people(data, scale, seed)
    sampling = SamplingConfig(steps=scale.sampling_steps, seed=seed)
    augment(pipe, Augmentation(data, scale.per_identity, min_similarity=-1.0), augmented, sampling, settings)
    query, gallery = (_Folder.read(data / name, side) for name in ("query", "bounding_box_test"))
    scores = {(UNTRAINED, False): reidentification(*(_by_prompt(pipe, folder) for folder in (query, gallery)))}
    for start, pretrained in STARTS.items():
        for folder in (data, augmented):
            logger.info("seed %d, from %s, %s", seed, start, folder.name)
            images = _Folder.read(folder / "bounding_box_train", side)
            network = _train(pipe, pretrained, images, scale, seed)
            both = (_by_network(network, images) for images in (query, gallery))
            scores[start, folder == augmented] = reidentification(*both)
    rows = [{"start": key[0], "augmented": key[1], "score": asdict(score)} for key, score in scores.items()]
    save_json({"settings": dict(settings), "rows": rows}, done)
    return scores


def _train(pipe: CFLDPipeline, pretrained: bool, images: _Folder, scale: ReidScale, seed: int) -> ReidNetwork:
    torch.manual_seed(seed)
    conditioner = pipe.conditioner if pretrained else type(pipe.conditioner).from_config(pipe.conditioner.config)
    encoder = copy.deepcopy(conditioner.source_encoder).float().requires_grad_(True)
    numbers = {identity: i for i, identity in enumerate(sorted({name.identity for name in images.names}))}
    labels = torch.tensor([numbers[name.identity] for name in images.names])
    config = NetworkConfig(
        identities=len(numbers), seed=seed, steps=scale.steps, batch_size=scale.batch_size, learning_rate=LEARNING_RATE
    )
    batches = _batches(images.pixels, labels, config)
    return fit(ReidNetwork(encoder, len(numbers)), batches, _loss, config, dtype=torch.float32)


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels, label_smoothing=0.1)


def _batches(pixels: NDArray[np.uint8], labels: Tensor, config: NetworkConfig) -> Iterator[tuple[Tensor, Tensor]]:
    """Images shifted, mirrored and tinted at random."""
    rng = np.random.default_rng([config.seed, 7])
    for _ in range(config.steps):
        chosen = rng.integers(len(pixels), size=config.batch_size)
        images = np.stack([shifted(pixels[i][:, :: rng.choice([-1, 1])], rng) for i in chosen]).astype(np.float32)
        tinted = (images * rng.uniform(*GAINS, (len(chosen), 1, 1, 3))).clip(0, 255).astype(np.float32)
        yield to_model_range(torch.from_numpy(tinted.transpose(0, 3, 1, 2))), labels[torch.from_numpy(chosen)]


@torch.no_grad()
def _by_network(network: ReidNetwork, folder: _Folder) -> ReidImages:
    return folder.described(torch.cat([network.embed(images) for images in folder.tensors()]).numpy())


def _by_prompt(pipe: CFLDPipeline, folder: _Folder) -> ReidImages:
    images = [to_pil(torch.from_numpy(square).permute(2, 0, 1)) for square in folder.pixels]
    parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    return folder.described(np.concatenate([unit_prompts(encode_features(pipe, part, True)) for part in parts]))


def _without(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != name}
