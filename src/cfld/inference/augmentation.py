"""Augmentation of a re-identification data set: its people in further poses, under names that keep identity and camera.

out/
  bounding_box_train/            the images of the data set, and the generated ones as JPEG of their source's size
  query/, bounding_box_test/     those of the data set
  market-annotation-train.csv    the known poses, and those of the generated images
  manifest.csv                   of each generated image: source, pose, random seed, similarity, whether it is kept
  generated/                     the images as the model makes them, those left out too
"""

from __future__ import annotations

import csv
import io
import itertools
import logging
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from PIL import Image

from cfld.config.schema import SamplingConfig
from cfld.data.layout import SPLITS
from cfld.data.lists import read_annotations, write_annotations
from cfld.data.market1501 import LAYOUT
from cfld.data.preparation import link_images
from cfld.data.reidentification import generated_name, parse_name, read_reid_folder
from cfld.data.transforms import read_image
from cfld.files import link_or_copy, replacing, write_text
from cfld.inference.failures import Failures
from cfld.inference.features import read_features, unit_prompts
from cfld.inference.generation import generate
from cfld.inference.jobs import Job
from cfld.pipeline import CFLDPipeline
from cfld.poses.fit import fit_poses, same_aspect
from cfld.poses.keypoints import Keypoints
from cfld.poses.registry import SEEDED_POSES

logger = logging.getLogger(__name__)

MANIFEST: Final = "manifest.csv"
COLUMNS: Final = ("image", "source", "pose", "seed", "similarity", "kept")
BLOCK: Final = 256
"""Generated images that are compared with all true ones at once."""

PoseSource: TypeAlias = Literal["from-data", "seeds"]
"""Where target poses are from: other people of the data set, or random seeds of mannequins."""


@dataclass(frozen=True)
class Augmented:
    """An image to generate, and what became of it.

    Attributes:
        name: of its file.
        identity: of its person.
        source: file of the source image.
        pose: name of the image whose pose it takes, or `mannequin` and a random seed.
        similarity: cosine of its prompt and that of its identity's most similar true image; None = not compared.
        kept: whether it is among the training images.
    """

    name: str
    identity: int
    source: Path
    pose: str
    keypoints: Keypoints
    similarity: float | None = None
    kept: bool = True

    @property
    def job(self) -> Job:
        read = partial(read_image, self.source)
        return Job(str(self.source), read, self.keypoints, Path(self.name).stem, as_in_training=True)


class Augmentation:
    """A data set, read and checked, and what to add to it.

    Attributes:
        people: identity -> the files of its training images.
        known: name of an image -> pose, in Market-1501's frame; the annotations.
    """

    def __init__(
        self,
        data: Path,
        per_identity: int,
        poses: PoseSource = "from-data",
        annotations: Path | None = None,
        min_similarity: float | None = None,
    ) -> None:
        """
        Args:
            data: folder of Market-1501 or DukeMTMC-reID, as downloaded, or as `cfld data market1501` wrote it.
            per_identity: number of images to generate of each person.
            annotations: file of poses; None = that of the data set, if it has one.
            min_similarity: cosine of the prompts, -1 to 1, from which an image is kept whose most similar true image
                shows its person; None = all images are kept.

        Raises:
            ValueError: if the data set has no images of people, or generated ones, or no pose to take.
        """
        self.data, self.per_identity, self.poses, self.min_similarity = data, per_identity, poses, min_similarity
        self.people: dict[int, list[Path]] = {}
        images = read_reid_folder(self.folder("train") or data / "bounding_box_train")
        if generated := [file.name for file, name in images.items() if name.generated]:
            raise ValueError(f"{data}: {generated[0]} is a generated image; augment the data set that it is made from")
        for file, name in images.items():
            if name.is_person:
                self.people.setdefault(name.identity, []).append(file)
        if not self.people:
            raise ValueError(f"{data}: all training images are of the identities -1 and 0000, that is, of nobody")
        if nobody := len(images) - sum(map(len, self.people.values())):
            logger.warning("%s: %d images of the identities -1 and 0000 are not augmented", data, nobody)
        lists = annotations or LAYOUT.find(data, LAYOUT.annotations, "train")
        self.known = {} if lists is None else read_annotations(lists, LAYOUT.frame)
        self._usable = {name: pose for name, pose in self.known.items() if pose.inside.any()}
        if poses == "from-data" and not self._usable:
            raise ValueError(f"{data}: no annotations of poses; name them with --annotations, or choose --poses seeds")
        self._owners = {name: parse_name(name).identity for name in self._usable}

    def folder(self, split: str) -> Path | None:
        """The folder of a split's images, by either name."""
        return LAYOUT.find(self.data, LAYOUT.images[::-1], split)

    def plan(self, seed: int, shape: tuple[int, int]) -> list[Augmented]:
        """Chooses sources and poses: a person's images in turn, each in a pose of another person.

        More images per identity leave the earlier ones as they are.

        Args:
            seed: random seed of the choice.
            shape: (height, width) of the model's images, to which random poses are fitted.
        """
        planned = []
        for identity, files in self.people.items():
            rng = np.random.default_rng(zlib.crc32(f"{seed} {identity}".encode()))
            poses = self._data_poses(identity, rng) if self.poses == "from-data" else _random_poses(shape, rng)
            for number, (pose, keypoints) in enumerate(itertools.islice(poses, self.per_identity)):
                source = files[number % len(files)]
                planned.append(Augmented(generated_name(source.name, number), identity, source, pose, keypoints))
        return sorted(planned, key=lambda one: one.source)  # each source is encoded once

    def _data_poses(self, identity: int, rng: np.random.Generator) -> Iterator[tuple[str, Keypoints]]:
        names = [name for name, owner in self._owners.items() if owner != identity] or list(self._usable)
        for index in itertools.cycle(rng.permutation(len(names))):
            yield names[index], self._usable[names[index]]


def augment(
    pipe: CFLDPipeline,
    what: Augmentation,
    out: Path,
    sampling: SamplingConfig,
    settings: Mapping[str, Any],
    batch: int = 8,
    failures: Failures | None = None,
) -> list[Augmented]:
    """Generates the images and writes the augmented data set, or completes it.

    Args:
        out: the folder.
        settings: as of `generate`, and `failures`.

    Returns:
        the images that were generated.

    Raises:
        ValueError: as `generate`.
    """
    failed = Failures() if failures is None else failures
    planned = what.plan(sampling.seed, tuple(pipe.config.output_size))
    generate(pipe, [one.job for one in planned], sampling, out / "generated", settings, batch, failed)
    made = [one for one in planned if one.job.name not in failed.messages]
    if what.min_similarity is not None:
        made = _compared(pipe, made, what, out, batch, failed)
    _place(made, what, out)
    write_text(out / MANIFEST, _manifest(made, sampling.seed))
    if failures is None:
        failed.check(len(planned))
    return made


def _random_poses(shape: tuple[int, int], rng: np.random.Generator) -> Iterator[tuple[str, Keypoints]]:
    while True:
        seed = int(rng.integers(2**31))
        pose = SEEDED_POSES["mannequin"](seed)
        yield f"mannequin{seed}", pose if same_aspect(pose.frame, shape) else fit_poses([pose], shape)[0]


def _generated(out: Path, one: Augmented) -> Image.Image:
    return read_image(out / "generated" / f"{one.job.name}.png")


def _compared(
    pipe: CFLDPipeline, made: Sequence[Augmented], what: Augmentation, out: Path, batch: int, failed: Failures
) -> list[Augmented]:
    """The images with their similarity, and whether they are kept."""
    owners = {str(file): identity for identity, files in what.people.items() for file in files}
    true = {file: partial(read_image, Path(file)) for file in owners}
    names, features = read_features(pipe, true, failed, batch, as_in_training=True)
    prompts, identities = unit_prompts(features), np.array([owners[name] for name in names])
    compared: list[Augmented] = []
    for start in range(0, len(made), BLOCK):
        block = made[start : start + BLOCK]
        images = {one.name: partial(_generated, out, one) for one in block}
        _, features = read_features(pipe, images, failed, batch, as_in_training=True)
        for one, similarities in zip(block, unit_prompts(features) @ prompts.T, strict=True):
            own = float(similarities[identities == one.identity].max())
            kept = own >= max(what.min_similarity or -1.0, float(similarities.max()))
            compared.append(replace(one, similarity=own, kept=kept))
    return compared


def _place(made: Iterable[Augmented], what: Augmentation, out: Path) -> None:
    """Writes the data set's own images and lists, and the kept ones among the training images."""
    folders = {f"bounding_box_{split}": what.folder(split) for split in SPLITS} | {"query": what.data / "query"}
    for place, folder in folders.items():
        if folder is not None and folder.is_dir():
            link_images(folder, out / place)
    for file in what.data.glob(LAYOUT.pairs[0].format(split="*")):
        link_or_copy(file, out / file.name)
    train, kept = out / "bounding_box_train", {one.name: one for one in made if one.kept}
    for file, name in read_reid_folder(train).items():
        if name.generated and file.name not in kept:
            file.unlink()
    for one in kept.values():
        image = _generated(out, one).resize(read_image(one.source).size, Image.Resampling.BICUBIC)
        with replacing(train / one.name) as temporary:
            image.save(temporary, format="JPEG", quality=95)
    poses = what.known | {name: one.keypoints.scaled(LAYOUT.frame) for name, one in kept.items()}
    write_annotations(out / LAYOUT.annotations[0].format(split="train"), poses)


def _manifest(made: Iterable[Augmented], seed: int) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for one in sorted(made, key=lambda one: one.name):
        similarity = "" if one.similarity is None else f"{one.similarity:.4f}"
        kept = "yes" if one.kept else "no"
        table.writerow([one.name, one.source.name, one.pose, one.job.noise_seed(seed), similarity, kept])
    return text.getvalue()
