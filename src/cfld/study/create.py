"""Makes a study's folder: draws the pairs, and writes every image anew so that its file tells nothing.

All images become PNG files of one size in pixels and in bytes, one pixel format and no metadata, under random names.
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
from cfld.study.definition import IMAGES, STUDY_FILE, Cards, Keys, Pair, Protocol, Study
from cfld.study.material import Material, Names

CARDS: Final = {
    "real": "Attention check.\n\nPlease answer\nREAL",
    "generated": "Attention check.\n\nPlease answer\nGENERATED",
    "this_one": "Attention check.\n\nPlease choose\nTHIS ONE",
    "not_this_one": "Attention check.\n\nNot\nthis one",
}
PAPER, INK = (236, 236, 232), (32, 32, 36)
SHAPE_TOLERANCE: Final = 0.05
"""How far an image's width by height may be off before it would show by its distortion."""


@dataclass(frozen=True)
class Method:
    """Where a method's results lie, and how they are named, as in `match_names`."""

    folder: Path
    pattern: str = DEFAULT_PATTERN


@dataclass(frozen=True, kw_only=True)
class Created:
    """What was made.

    Attributes:
        pairs: how many take part.
        shared: whether there were too few for every list to have pairs of its own.
        keys: with the password to the results.
    """

    pairs: int
    shared: bool
    keys: Keys


def create_study(
    out: Path,
    material: Material,
    methods: Mapping[str, Method],
    protocol: Protocol,
    *,
    title: str,
    introduction: str = "",
) -> Created:
    """Writes a study.

    Args:
        out: the folder; new or empty.
        methods: name -> its results.

    Raises:
        ValueError: for too few pairs, results that are missing (all are listed), damaged images, and images of
            another shape; nothing is left behind then.
    """
    files = {method: match_names(where.folder, material.pairs, where.pattern) for method, where in methods.items()}
    chosen, roles = draw_pairs(material.usable, protocol)
    with whole_folder(out) as folder:
        (folder / IMAGES).mkdir()
        writer = _ImageWriter(folder / IMAGES, material.size)
        study = Study(
            title=title,
            introduction=introduction,
            protocol=protocol,
            size=material.size,
            methods=tuple(methods),
            pairs=tuple(_write_pair(writer, material, pair, {m: files[m][pair] for m in methods}) for pair in chosen),
            generated=roles.generated,
            real=roles.real,
            comparisons=roles.comparisons,
            cards=Cards(**{name: writer.write(_card(text, material.size)) for name, text in CARDS.items()}),
        )
        writer.finish()
        io.save(study, folder / STUDY_FILE)
        keys = Keys.new()
        keys.save(folder)
    return Created(pairs=len(chosen), shared=len(chosen) < roles.wanted, keys=keys)


@dataclass(frozen=True)
class Roles:
    """Indices of the chosen pairs; see `Study`."""

    generated: tuple[int, ...]
    real: tuple[int, ...]
    comparisons: tuple[int, ...]

    @property
    def wanted(self) -> int:
        return len(self.generated) + len(self.real) + len(self.comparisons)


def draw_pairs(pairs: Names, protocol: Protocol) -> tuple[list[tuple[str, str]], Roles]:
    """The pairs that take part, and what for. No target image is in two of them.

    Results of part one, truths of part one and comparisons have pairs of their own as far as there are enough.

    Raises:
        ValueError: if one of the three lists alone needs more than there are.
    """
    shuffled = random.Random(f"{protocol.seed}, pairs").sample(list(pairs), len(pairs))
    different = list({target: (source, target) for source, target in shuffled}.values())
    needed = max(protocol.images, protocol.comparisons)
    if len(different) < needed:
        raise ValueError(
            f"{needed} questions of a kind need {needed} pairs with different target images, "
            f"there are {len(different)}; ask for fewer --images and --comparisons"
        )
    chosen = different[: 2 * protocol.images + protocol.comparisons]
    places = [i % len(chosen) for i in range(2 * protocol.images + protocol.comparisons)]
    first, second = protocol.images, 2 * protocol.images
    return chosen, Roles(tuple(places[:first]), tuple(places[first:second]), tuple(places[second:]))


class _ImageWriter:
    """Writes images that differ in nothing but their pixels."""

    def __init__(self, folder: Path, size: tuple[int, int]) -> None:
        self._folder, self._size = folder, size

    def write(self, image: Image.Image, name: str = "") -> str:
        """The id of the image now kept; `name` is what messages call it."""
        height, width = self._size
        if abs(image.width / image.height / (width / height) - 1) > SHAPE_TOLERANCE:
            raise ValueError(
                f"{name}: is {image.height} x {image.width}, of another shape than {height} x {width}; crop it, "
                "or give another --size"
            )
        pixels = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC).tobytes()
        image_id = secrets.token_hex(16)
        Image.frombytes("RGB", (width, height), pixels).save(self._folder / f"{image_id}.png", compress_level=9)
        return image_id

    def finish(self) -> None:
        """Fills all files up to the longest with zeros, which come after the image's end; one date for all."""
        files = list(self._folder.iterdir())
        longest = max(file.stat().st_size for file in files)
        for file in files:
            os.truncate(file, longest)
            os.utime(file, (0, 0))


def _write_pair(writer: _ImageWriter, material: Material, pair: tuple[str, str], results: Mapping[str, Path]) -> Pair:
    source, target = pair
    return Pair(
        source=source,
        target=target,
        source_picture=writer.write(material.source(source), source),
        pose_picture=None if material.pose is None else writer.write(material.pose(target), f"pose of {target}"),
        truth_picture=writer.write(material.truth(target), target),
        results={method: writer.write(read_image(file), str(file)) for method, file in results.items()},
    )


def _card(text: str, size: tuple[int, int]) -> Image.Image:
    """An image of a few words, as large as they fit."""
    height, width = size
    card = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(card)
    font = ImageFont.load_default(size=width / 10)
    draw.multiline_text((width / 2, height / 2), text, fill=INK, font=font, anchor="mm", align="center")
    return card


def parse_methods(texts: Sequence[str], pattern: str) -> dict[str, Method]:
    """NAME=FOLDER arguments, and NAME=FOLDER/PATTERN ones, whose files are named in another way.

    Args:
        pattern: of those that have none of their own.

    Raises:
        ValueError: for arguments of another form, and a name given twice.
    """
    methods: dict[str, Method] = {}
    for text in texts:
        name, equals, place = text.partition("=")
        if not (name.strip() and equals and place):
            raise ValueError(f"--method {text!r}: expected NAME=FOLDER or NAME=FOLDER/PATTERN")
        if name in methods:
            raise ValueError(f"--method {name}: given twice")
        folder, slash, _ = place.partition("{")[0].rpartition("/") if "{" in place else (place, "", "")
        methods[name] = Method(Path(folder), place[len(folder + slash) :] or pattern)
    return methods
