"""One picture file as a command's result: checked before any work, written whole, with its settings beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from PIL import Image

ANIMATED: Final = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}
STILL: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
"""Formats by the file's ending."""

FRAME_MS: Final = 150
"""How long an animation shows each picture, in milliseconds."""


def check_output(out: Path, inputs: Iterable[Path] = (), *, animated: bool = False) -> None:
    """Raises ValueError when `out` has no known ending, is a folder, or is one of the input files.

    Args:
        animated: whether endings of animations will do.
    """
    known = {**STILL, **ANIMATED} if animated else STILL
    if out.suffix.lower() not in known:
        raise ValueError(f"{out}: the ending says the format, one of {', '.join(known)}")
    if out.is_dir():
        raise ValueError(f"{out}: is a folder, expected a file to write")
    if out.resolve() in {file.resolve() for file in inputs}:
        raise ValueError(f"{out}: is also an input; name another file to write")


def is_animation(out: Path) -> bool:
    return out.suffix.lower() in ANIMATED


def save_pictures(pictures: Sequence[Image.Image], out: Path, settings: Mapping[str, Any], **options: Any) -> None:
    """Writes a picture, or an animation of several, and its settings as JSON in a file called `out` plus `.json`.

    Args:
        options: of Pillow's encoder.
    """
    from cfld.config.io import save_json
    from cfld.data.preparation import replacing

    out.parent.mkdir(parents=True, exist_ok=True)
    if is_animation(out):
        options |= {"save_all": True, "append_images": pictures[1:], "duration": FRAME_MS, "loop": 0, "lossless": True}
    with replacing(out) as temporary:
        pictures[0].save(temporary, format={**STILL, **ANIMATED}[out.suffix.lower()], **{"quality": 95, **options})
    save_json(dict(settings), out.with_name(f"{out.name}.json"))
