"""Creates a study's folder: samples the pairs and re-encodes every image, so that its file does not reveal its origin.

All images become PNG files with the same size in pixels and in bytes, RGB, without metadata, under random names.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from cfld.config import io
from cfld.data.transforms import read_image
from cfld.evaluation.filename_patterns import DEFAULT_PATTERN, match_names
from cfld.files import whole_folder
from cfld.study.definition import IMAGES, STUDY_FILE, Cards, Keys, Pair, Protocol, Study, StudyFolder
from cfld.study.pairs import Names, PairImages

CARDS: Final = {
    "real": "Attention check.\n\nPlease answer\nREAL",
    "generated": "Attention check.\n\nPlease answer\nGENERATED",
    "this_one": "Attention check.\n\nPlease choose\nTHIS ONE",
    "not_this_one": "Attention check.\n\nNot\nthis one",
}
CARD_COLOUR, TEXT_COLOUR = (236, 236, 232), (32, 32, 36)
ASPECT_TOLERANCE: Final = 0.05
"""Largest relative difference in aspect ratio; beyond it, resizing would visibly distort an image."""


@dataclass(frozen=True)
class Method:
    """A method's folder of generated images and their file name pattern, as in `match_names`."""

    folder: Path
    pattern: str = DEFAULT_PATTERN


def create_study(
    out: Path,
    images: PairImages,
    methods: Mapping[str, Method],
    protocol: Protocol,
    *,
    title: str,
    introduction: str = "",
) -> StudyFolder:
    """Writes a study's folder; nothing is left behind on an error.

    Args:
        out: new or empty folder.
        methods: name -> its generated images.

    Raises:
        ValueError: for too few pairs, missing generated images (all are listed), damaged images, and images of
            another aspect ratio.
    """
    files = {method: match_names(where.folder, images.pairs, where.pattern) for method, where in methods.items()}
    chosen, roles = sample_pairs(images.usable, protocol)
    with whole_folder(out) as folder:
        (folder / IMAGES).mkdir()
        writer = _ImageWriter(folder / IMAGES, images.size)
        study = Study(
            title=title,
            introduction=introduction,
            protocol=protocol,
            size=images.size,
            methods=tuple(methods),
            pairs=tuple(_write_pair(writer, images, pair, {m: files[m][pair] for m in methods}) for pair in chosen),
            generated=roles.generated,
            real=roles.real,
            comparisons=roles.comparisons,
            cards=Cards(**{name: writer.write(_card(text, images.size)) for name, text in CARDS.items()}),
        )
        writer.finish()
        io.save(study, folder / STUDY_FILE)
        keys = Keys.new()
        keys.save(folder)
    return StudyFolder(study, out, keys)


@dataclass(frozen=True)
class Roles:
    """Indices of the sampled pairs; see `Study`."""

    generated: tuple[int, ...]
    real: tuple[int, ...]
    comparisons: tuple[int, ...]


def sample_pairs(pairs: Names, protocol: Protocol) -> tuple[list[tuple[str, str]], Roles]:
    """Samples the study's pairs, no two with the same target image, and assigns them to the questions.

    The generated images of part one, its ground truths, and the comparisons use different pairs as far as possible.

    Raises:
        ValueError: if there are too few pairs for one of the three lists alone.
    """
    shuffled = random.Random(f"{protocol.seed}, pairs").sample(list(pairs), len(pairs))
    different = list({target: (source, target) for source, target in shuffled}.values())
    needed = max(protocol.images, protocol.comparisons)
    if len(different) < needed:
        raise ValueError(
            f"{needed} questions of a kind need {needed} pairs with different target images, "
            f"there are {len(different)}; ask for fewer --images and --comparisons"
        )
    first, second, questions = protocol.images, 2 * protocol.images, 2 * protocol.images + protocol.comparisons
    chosen = different[:questions]
    indices = tuple(i % len(chosen) for i in range(questions))
    return chosen, Roles(indices[:first], indices[first:second], indices[second:])


class _ImageWriter:
    """Writes images whose files differ in their pixels only."""

    def __init__(self, folder: Path, size: tuple[int, int]) -> None:
        self._folder, self._size = folder, size

    def write(self, image: Image.Image, name: str = "") -> str:
        """Returns the new id of the image; `name` is used in error messages."""
        height, width = self._size
        if abs(image.width / image.height / (width / height) - 1) > ASPECT_TOLERANCE:
            raise ValueError(
                f"{name}: {image.height} x {image.width} has another aspect ratio than {height} x {width}; crop it, "
                "or give another --size"
            )
        pixels = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC).tobytes()
        image_id = secrets.token_hex(16)
        Image.frombytes("RGB", (width, height), pixels).save(self._folder / f"{image_id}.png", compress_level=9)
        return image_id

    def finish(self) -> None:
        """Pads all files with zeros after the image data to the longest file's length, and sets one date."""
        files = list(self._folder.iterdir())
        longest = max(file.stat().st_size for file in files)
        for file in files:
            os.truncate(file, longest)
            os.utime(file, (0, 0))


def _write_pair(writer: _ImageWriter, images: PairImages, pair: tuple[str, str], results: Mapping[str, Path]) -> Pair:
    source, target = pair
    return Pair(
        source=source,
        target=target,
        source_picture=writer.write(images.source(source), source),
        pose_picture=None if images.pose is None else writer.write(images.pose(target), f"pose of {target}"),
        truth_picture=writer.write(images.truth(target), target),
        results={method: writer.write(read_image(file), str(file)) for method, file in results.items()},
    )


def _card(text: str, size: tuple[int, int]) -> Image.Image:
    """Draws an attention check of (height, width)."""
    height, width = size
    card = Image.new("RGB", (width, height), CARD_COLOUR)
    draw = ImageDraw.Draw(card)
    font = ImageFont.load_default(size=width / 10)
    draw.multiline_text((width / 2, height / 2), text, fill=TEXT_COLOUR, font=font, anchor="mm", align="center")
    return card


def parse_methods(texts: Sequence[str], pattern: str) -> dict[str, Method]:
    """Parses NAME=FOLDER and NAME=FOLDER/PATTERN arguments.

    Args:
        pattern: for arguments without one.

    Raises:
        ValueError: for an argument of another form, and a name given twice.
    """
    methods: dict[str, Method] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name.strip() and equals and path):
            raise ValueError(f"--method {text!r}: expected NAME=FOLDER or NAME=FOLDER/PATTERN")
        if name in methods:
            raise ValueError(f"--method {name}: given twice")
        folder, slash, _ = path.partition("{")[0].rpartition("/") if "{" in path else (path, "", "")
        methods[name] = Method(Path(folder), path[len(folder + slash) :] or pattern)
    return methods
