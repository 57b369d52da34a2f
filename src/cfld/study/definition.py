"""A study's definition: protocol, pairs and images, stored in a folder as `study.json` and `pictures/`.

Nothing of the folder is served but the images, under names made for one participant.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from cfld.config import io
from cfld.ranges import Count, Range, Seed, Side, check_ranges
from cfld.readers.text import load_object

STUDY_FILE: Final = "study.json"
KEYS_FILE: Final = "keys.json"
IMAGES: Final = "pictures"
MAX_METHODS: Final = 9
"""Part two is answered by pressing one digit."""
Questions: TypeAlias = Annotated[int, Range(0, 10_000)]
Seconds: TypeAlias = Annotated[float, Range(0.05, 3600)]
IMAGE_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What every participant does. The defaults follow section 4.4 of the paper where it gives a number.

    Attributes:
        seed: random seed: selects the pairs and, with a participant's number, the order of their questions.
        images: number of real images in part one, and of generated images.
        comparisons: number of comparisons in part two.
        checks: attention checks in each part: images that state which answer to give.
        failed_checks_allowed: participants who fail more checks are excluded from the results.
        seconds: how long an image of part one is shown, from 0.05 to 3600; None = until the answer.
        comparison_seconds: how long the images of part two are shown, in the same way.
    """

    seed: Seed = 0
    images: Questions = 30
    comparisons: Questions = 30
    checks: Questions = 2
    failed_checks_allowed: Questions = 1
    seconds: Seconds | None = None
    comparison_seconds: Seconds | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.images + self.comparisons == 0:
            raise ValueError("a study needs images or comparisons; both are 0")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits against abuse. A whole classroom may share one network address.

    Attributes:
        requests: requests per minute from one network address, for pages, images and answers.
        starts: new participants per hour from one network address.
        participants: participants in the whole study.
    """

    requests: Count = 3000
    starts: Count = 300
    participants: Count = 10_000

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A pair of source image and target pose. Images are named by random ids.

    Attributes:
        source, target: the pair's original file names.
        source_picture, pose_picture, truth_picture: image ids; the pose image is optional.
        results: method -> id of its generated image.
    """

    source: str
    target: str
    source_picture: str
    pose_picture: str | None
    truth_picture: str
    results: dict[str, str]

    @property
    def context(self) -> tuple[str | None, ...]:
        """Image ids of source, pose and ground truth."""
        return self.source_picture, self.pose_picture, self.truth_picture


@dataclass(frozen=True, kw_only=True)
class Cards:
    """Ids of the attention checks' images, by what is written on them."""

    real: str
    generated: str
    this_one: str
    not_this_one: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """Contents of `study.json`.

    Attributes:
        title, introduction: text of the first page; empty lines separate paragraphs.
        size: (height, width) of every image.
        methods: names used in the results; never shown to participants.
        pairs: the pairs of the study.
        generated, real, comparisons: indices into `pairs`: whose generated images and whose ground truths part one
            shows, and which pairs part two compares. The same for every participant, and so for every method.
        cards: images of the attention checks.
    """

    title: str
    introduction: str
    protocol: Protocol
    size: tuple[Side, Side]
    methods: tuple[str, ...]
    pairs: tuple[Pair, ...]
    generated: tuple[Annotated[int, Range(0)], ...]
    real: tuple[Annotated[int, Range(0)], ...]
    comparisons: tuple[Annotated[int, Range(0)], ...]
    cards: Cards

    def __post_init__(self) -> None:
        try:
            json.dumps(asdict(self), ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"texts and names must be Unicode, got {error.object[error.start : error.end]!r}"
            ) from None
        if not 1 <= len(set(self.methods)) == len(self.methods) <= MAX_METHODS:
            raise ValueError(f"a study compares 1 to {MAX_METHODS} methods of different names, got {self.methods}")
        if self.comparisons and len(self.methods) < 2:
            raise ValueError("part two compares methods, but there is only one; set comparisons to 0")
        if any(set(pair.results) != set(self.methods) for pair in self.pairs):
            raise ValueError(f"every pair needs one generated image of each of {', '.join(self.methods)}")
        if not {*self.generated, *self.real, *self.comparisons} <= set(range(len(self.pairs))):
            raise ValueError(f"generated, real and comparisons must be indices from 0 to {len(self.pairs) - 1}")
        lengths = len(self.generated), len(self.real), len(self.comparisons)
        if lengths != (self.protocol.images, self.protocol.images, self.protocol.comparisons):
            raise ValueError(f"generated, real and comparisons have lengths {lengths}, unlike the protocol's")
        if bad := [name for name in self.image_ids() if not IMAGE_ID.fullmatch(str(name))]:
            raise ValueError(f"image ids must be 32 hexadecimal digits, got {bad[0]!r}")

    def image_ids(self) -> Iterator[str]:
        """Yields the id of every image."""
        for pair in self.pairs:
            yield from (name for name in (*pair.context, *pair.results.values()) if name is not None)
        yield from asdict(self.cards).values()

    def fingerprint(self) -> str:
        """Hash of everything that gives the answers their meaning; texts and limits may change during the study."""
        values = io.to_dict(self)
        for name in ("title", "introduction", "size"):
            del values[name]
        for name in ("failed_checks_allowed", "seconds", "comparison_seconds"):
            del values["protocol"][name]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Contents of `keys.json`: the secrets of a study, which all its servers share.

    Attributes:
        signing: signs cookies, form tokens and image names.
        results: the researcher's password for the results page.

    Raises:
        ValueError: for a key that is missing in all but name, or short enough to be guessed.
    """

    signing: str
    results: str

    def __post_init__(self) -> None:
        for name, shortest in (("signing", 32), ("results", 8)):
            key = getattr(self, name)
            if not isinstance(key, str) or not key.isprintable() or len(key.strip()) < shortest:
                raise ValueError(f"{name} must be a text of at least {shortest} characters that cannot be guessed")

    @classmethod
    def new(cls) -> Keys:
        return cls(signing=secrets.token_hex(32), results=secrets.token_urlsafe(18))

    def save(self, folder: Path) -> None:
        """Writes the file, readable by its owner only."""
        path = folder / KEYS_FILE
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class StudyFolder:
    """A study with its folder and its keys, ready to be served."""

    study: Study
    path: Path
    keys: Keys

    def image(self, image_id: str) -> Path:
        """The file of an image. `Study` checks its ids, so that none leads out of the folder."""
        return self.path / IMAGES / f"{image_id}.png"


def load_study(path: Path) -> Study:
    """Reads a study.

    Args:
        path: `study.json` or its folder.

    Raises:
        ValueError: naming the file, if it does not exist or does not hold a study.
    """
    file = path / STUDY_FILE if path.is_dir() else path
    if not file.exists():
        raise ValueError(f"{file}: no such study; `cfld study create` makes one")
    try:
        return io.from_dict(Study, load_object(file))
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{file}: not a study ({error})") from None


def open_study(path: Path) -> StudyFolder:
    """Reads a study with its keys and checks that its images exist.

    Args:
        path: `study.json` or its folder.

    Raises:
        ValueError: naming the file that is missing or invalid.
    """
    study, folder = load_study(path), (path if path.is_dir() else path.parent).absolute()
    if not (folder / KEYS_FILE).exists():
        raise ValueError(f"{folder / KEYS_FILE}: missing; copy it along with study.json")
    opened = StudyFolder(study, folder, io.load(Keys, folder / KEYS_FILE))
    if missing := [name for name in study.image_ids() if not opened.image(name).is_file()]:
        raise ValueError(f"{folder / IMAGES}: {len(missing)} images are missing, for example {missing[0]}.png")
    return opened
