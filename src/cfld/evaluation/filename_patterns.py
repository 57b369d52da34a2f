"""Matches the image files of a folder to pairs of a test set, by a pattern of file names.

A pattern is a file name with placeholders; it may contain slashes for files in subfolders.

{source} {target}              names of the pair's images without extension
{source_file} {target_file}    the same with extension
{index}                        position of the pair in the list, from 0; {index:05d} pads it

The names of methods stand for the patterns of their results, see `PRESETS`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Final

from cfld.data.lists import is_image_name

logger = logging.getLogger(__name__)

DEFAULT_PATTERN: Final = "{source}_to_{target}.png"
PRESETS: Final[Mapping[str, str]] = {
    "cfld": DEFAULT_PATTERN,
    "pcdms": DEFAULT_PATTERN,
    "pidm": "{source}_2_{target}_vis.png",
    "nted": "{source}_2_{target}_vis.png",
    "dptn": "{source}_2_{target}_vis.jpg",
    "gfla": "{source}_2_{target}_vis.jpg",
    "patn": "{source_file}___{target_file}_vis.jpg",
}
"""Method -> the pattern of its results; that of `cfld` is what `cfld generate` writes."""
PLACEHOLDERS: Final = ("source", "target", "source_file", "target_file", "index")


class NameMismatchError(ValueError):
    """Images are missing under the names that a pattern gives them.

    Attributes:
        folder: of the images.
        missing: expected file names that do not exist.
        unmatched: images of the folder that match no pair.
    """

    def __init__(self, folder: Path, missing: Sequence[str], unmatched: Sequence[str]) -> None:
        self.folder, self.missing, self.unmatched = folder, tuple(missing), tuple(unmatched)
        message = f"{folder}: {len(missing)} images of the pairs are missing: {', '.join(missing)}"
        if unmatched:
            message += f"; {len(unmatched)} images match no pair: {', '.join(unmatched)}"
        super().__init__(f"{message}; check the pattern of the file names")


def match_names(
    folder: Path, pairs: Sequence[tuple[str, str]], pattern: str = DEFAULT_PATTERN
) -> dict[tuple[str, str], Path]:
    """Finds the file of every pair; logs the number of images that match none.

    Args:
        folder: of the images.
        pairs: (source name, target name) with extensions, as in a data set; duplicates count once.
        pattern: see the module's docstring; or a name in `PRESETS`.

    Returns:
        pair -> file, in the order of `pairs`.

    Raises:
        NameMismatchError: a ValueError that lists every missing and every unmatched file.
        ValueError: if the folder does not exist, or the pattern has an unknown placeholder or gives two pairs the
            same file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of images")
    pattern = PRESETS.get(pattern, pattern)
    _check_pattern(pattern)
    files = {pair: folder / _file_name(pattern, *pair, i) for i, pair in enumerate(dict.fromkeys(pairs))}
    if shared := [path.name for path, count in Counter(files.values()).items() if count > 1]:
        raise ValueError(f"the pattern {pattern!r} gives several pairs the same file: {', '.join(shared)}")
    missing = [str(path.relative_to(folder)) for path in files.values() if not path.is_file()]
    matched = set(files.values())
    unmatched = sorted(path.name for path in folder.iterdir() if is_image_name(path.name) and path not in matched)
    if missing:
        raise NameMismatchError(folder, missing, unmatched)
    if unmatched:
        logger.warning("%s: %d images match no pair, for example %s", folder, len(unmatched), unmatched[0])
    return files


def _check_pattern(pattern: str) -> None:
    try:
        used = {name for _, name, _, _ in Formatter().parse(pattern) if name is not None}
        pattern.format(**dict.fromkeys(PLACEHOLDERS[:-1], ""), index=0)
    except (ValueError, KeyError, IndexError, AttributeError, TypeError):
        used = {""}
    if used - set(PLACEHOLDERS):
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError(f"{pattern!r} is not a file name with the placeholders {known}")


def _file_name(pattern: str, source: str, target: str, index: int) -> str:
    return pattern.format(
        source=Path(source).stem, target=Path(target).stem, source_file=source, target_file=target, index=index
    )
