"""Which file of a folder is the image of which pair, whoever named the files.

A pattern is a file name with placeholders; with a slash in it, files lie in folders below.

{source} {target}              names of the pair without their endings
{source_file} {target_file}    the same with their endings
{index}                        place of the pair in the list, from 0; {index:05d} pads it

    {source}_to_{target}.png                       cfld generate
    {source}_2_{target}_vis.png                    NTED, PIDM
    {source}_2_{target}_vis.jpg                    DPTN
    {source_file}___{target_file}_vis.jpg          PATN and others of its time
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from string import Formatter
from typing import Final

from cfld.data.lists import is_image_name

logger = logging.getLogger(__name__)

DEFAULT_PATTERN: Final = "{source}_to_{target}.png"
PLACEHOLDERS: Final = ("source", "target", "source_file", "target_file", "index")


class NameMismatchError(ValueError):
    """Images that are not where the pattern says.

    Attributes:
        folder: where they were looked for.
        missing: file names that pairs ask for and that are not there.
        unclaimed: images of the folder that no pair asks for.
    """

    def __init__(self, folder: Path, missing: Sequence[str], unclaimed: Sequence[str]) -> None:
        self.folder, self.missing, self.unclaimed = folder, tuple(missing), tuple(unclaimed)
        parts = [f"{folder}: {len(missing)} images of the pairs are not there: {', '.join(missing)}"]
        if unclaimed:
            parts.append(f"{len(unclaimed)} that are there belong to no pair: {', '.join(unclaimed)}")
        super().__init__(f"{'; '.join(parts)}; does the pattern fit?")


def match_names(
    folder: Path, pairs: Sequence[tuple[str, str]], pattern: str = DEFAULT_PATTERN
) -> dict[tuple[str, str], Path]:
    """The file of every pair.

    Images of the folder that no pair asks for are counted in the log.

    Args:
        folder: the images.
        pairs: (source name, target name), with endings, as a data set gives them; what is there twice counts once.
        pattern: as above.

    Returns:
        pair -> file, in the order of `pairs`.

    Raises:
        NameMismatchError: a ValueError that lists every file that is missing, and every one that nobody asks for.
        ValueError: for no such folder, a pattern with another placeholder, or one that gives two pairs one file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of images")
    _check_pattern(pattern)
    files = {pair: folder / _file_name(pattern, *pair, i) for i, pair in enumerate(dict.fromkeys(pairs))}
    if shared := [path.name for path, count in Counter(files.values()).items() if count > 1]:
        raise ValueError(f"the pattern {pattern!r} gives several pairs one file: {', '.join(shared)}")
    missing = [str(path.relative_to(folder)) for path in files.values() if not path.is_file()]
    claimed = set(files.values())
    unclaimed = sorted(path.name for path in folder.iterdir() if is_image_name(path.name) and path not in claimed)
    if missing:
        raise NameMismatchError(folder, missing, unclaimed)
    if unclaimed:
        logger.warning("%s: %d images belong to no pair, e.g. %s", folder, len(unclaimed), unclaimed[0])
    return files


def _check_pattern(pattern: str) -> None:
    try:
        used = {name for _, name, _, _ in Formatter().parse(pattern) if name is not None}
        pattern.format(**dict.fromkeys(PLACEHOLDERS[:-1], ""), index=0)
    except (ValueError, KeyError, IndexError, AttributeError, TypeError):
        used = {""}
    if used - set(PLACEHOLDERS):
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError(f"the pattern {pattern!r} is no file name with the placeholders {known}")


def _file_name(pattern: str, source: str, target: str, index: int) -> str:
    return pattern.format(
        source=Path(source).stem, target=Path(target).stem, source_file=source, target_file=target, index=index
    )
