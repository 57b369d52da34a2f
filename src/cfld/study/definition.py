"""What a study is: its protocol, its pairs and its images, kept as `study.json` beside `images/`.

The folder is the researcher's. Of it the site shows images alone, and those under names made for one participant.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cfld.config import io
from cfld.files import load_object

STUDY_FILE: Final = "study.json"
KEYS_FILE: Final = "keys.json"
IMAGES: Final = "pictures"
MAX_METHODS: Final = 9
"""As many as there are digits to choose with."""
IMAGE_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What every participant does. The defaults are those of section 4.4 of the paper, as far as it tells.

    Attributes:
        seed: decides which pairs take part and, with a participant's number, everything that the participant sees.
        images: part one shows so many real and so many generated images.
        comparisons: part two asks so many times for the best match.
        checks: attention checks in each part: images that say which answer to give.
        failed_checks_allowed: who answers more checks wrongly does not count.
        seconds: how long an image of part one can be seen; none = until the answer.
        comparison_seconds: the same for part two.
    """

    seed: int = 0
    images: int = 30
    comparisons: int = 30
    checks: int = 2
    failed_checks_allowed: int = 1
    seconds: float | None = None
    comparison_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("images", "comparisons", "checks", "failed_checks_allowed"):
            if (value := getattr(self, name)) < 0:
                raise ValueError(f"{name} must not be negative, got {value}")
        if self.images + self.comparisons == 0:
            raise ValueError("a study needs images or comparisons; both are 0")
        for name in ("seconds", "comparison_seconds"):
            if (limit := getattr(self, name)) is not None and not 0.05 <= limit <= 3600:
                raise ValueError(f"{name} must be from 0.05 to 3600, got {limit}")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One pair of source and target pose. Images go by ids, which tell nothing.

    Attributes:
        source, target: what the pair's images were called.
        source_picture, pose_picture, truth_picture: ids; there may be no image of the pose.
        results: id of each method's image.
    """

    source: str
    target: str
    source_picture: str
    pose_picture: str | None
    truth_picture: str
    results: dict[str, str]

    def ids(self) -> Iterator[str]:
        yield from (self.source_picture, self.truth_picture, *self.results.values())
        if self.pose_picture is not None:
            yield self.pose_picture


@dataclass(frozen=True, kw_only=True)
class Cards:
    """The images of attention checks, by what they say; ids."""

    real: str
    generated: str
    this_one: str
    not_this_one: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """All that the site needs to know.

    Attributes:
        title, introduction: what people read first; paragraphs are separated by empty lines.
        size: (height, width) of every image.
        methods: what they are called in the figures; never shown to participants.
        pairs: those that take part.
        generated, real, comparisons: indices of `pairs`: whose results part one shows, whose truths it shows, and
            which pairs part two shows. The same for every participant, and so the same across methods.
    """

    title: str
    introduction: str
    protocol: Protocol
    size: tuple[int, int]
    methods: tuple[str, ...]
    pairs: tuple[Pair, ...]
    generated: tuple[int, ...]
    real: tuple[int, ...]
    comparisons: tuple[int, ...]
    cards: Cards

    def __post_init__(self) -> None:
        if not 1 <= len(set(self.methods)) == len(self.methods) <= MAX_METHODS:
            raise ValueError(f"a study compares 1 to {MAX_METHODS} methods of different names, got {self.methods}")
        if self.comparisons and len(self.methods) < 2:
            raise ValueError("part two compares methods, and there is one; set comparisons to 0")
        if any(set(pair.results) != set(self.methods) for pair in self.pairs):
            raise ValueError(f"every pair needs one result of each of {', '.join(self.methods)}")
        if not {*self.generated, *self.real, *self.comparisons} <= set(range(len(self.pairs))):
            raise ValueError(f"generated, real and comparisons number the pairs, 0 to {len(self.pairs) - 1}")
        lengths = len(self.generated), len(self.real), len(self.comparisons)
        if lengths != (self.protocol.images, self.protocol.images, self.protocol.comparisons):
            raise ValueError(f"the protocol's images and comparisons disagree with the lists, which hold {lengths}")
        if bad := [name for name in self.image_ids() if not IMAGE_ID.fullmatch(str(name))]:
            raise ValueError(f"image ids are 32 hexadecimal digits, got {bad[0]!r}")

    def image_ids(self) -> Iterator[str]:
        """Of every image once."""
        for pair in self.pairs:
            yield from pair.ids()
        yield from asdict(self.cards).values()

    def fingerprint(self) -> str:
        """Of what decides the answers' meaning; texts, time limits and what checks decide may change meanwhile."""
        values = io.to_dict(self)
        for name in ("title", "introduction", "size"):
            del values[name]
        for name in ("failed_checks_allowed", "seconds", "comparison_seconds"):
            del values["protocol"][name]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What only the servers and the researcher know; servers of one study share it.

    Attributes:
        signing: makes cookies, form tokens and image names.
        results: the researcher's password to the results page.
    """

    signing: str
    results: str

    @classmethod
    def new(cls) -> Keys:
        return cls(signing=secrets.token_hex(32), results=secrets.token_urlsafe(18))

    def save(self, folder: Path) -> None:
        """Writes a file that its owner alone may read."""
        path = folder / KEYS_FILE
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class OpenStudy:
    """A study with the folder that it was read from."""

    study: Study
    folder: Path
    keys: Keys

    def image(self, image_id: str) -> Path:
        """The file of an image. Ids are checked when the study is read, so no path leads out of the folder."""
        return self.folder / IMAGES / f"{image_id}.png"


def study_file(path: Path) -> Path:
    """`study.json`, given itself or its folder."""
    return path / STUDY_FILE if path.is_dir() else path


def load_study(path: Path) -> Study:
    """Reads `study.json`, given itself or its folder.

    Raises:
        ValueError: naming the file, when it is absent or is no study.
    """
    file = study_file(path)
    if not file.exists():
        raise ValueError(f"{file}: no such study; `cfld study create` makes one")
    values = load_object(file)
    try:
        return io.from_dict(Study, {**values, **_nested(values)})
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{file}: not a study ({error})") from None


def open_study(path: Path) -> OpenStudy:
    """A study ready to be served.

    Raises:
        ValueError: naming the file that is missing or wrong.
    """
    study, folder = load_study(path), study_file(path).absolute().parent
    if not (folder / KEYS_FILE).exists():
        raise ValueError(f"{folder / KEYS_FILE}: missing; it is made with the study and goes where the study goes")
    opened = OpenStudy(study, folder, io.load(Keys, folder / KEYS_FILE))
    if missing := [name for name in study.image_ids() if not opened.image(name).is_file()]:
        raise ValueError(f"{folder / IMAGES}: {len(missing)} images are missing, for example {missing[0]}.png")
    return opened


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    """The fields that hold tuples of their own."""
    return {
        "size": tuple(values["size"]),
        "pairs": tuple(io.from_dict(Pair, pair) for pair in values["pairs"]),
    }
