"""One file as a command's result: checked before any work, written whole, with its settings beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from PIL import Image

STILL: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
ANIMATED: Final = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}
"""Pillow's formats by the file's ending."""
VIDEO: Final = ".mp4"
MOVING: Final = (*ANIMATED, VIDEO)

FRAME_MS: Final = 150.0
"""How long an animation shows each image, in milliseconds, unless told otherwise."""
NOT_CONTENT: Final = ("out", "batch", "device", "limit", "sampling")
"""Options that only say where images go and how fast they come, and the one whose fields are listed singly."""


def check_output(out: Path, inputs: Iterable[Path] = (), endings: Collection[str] = tuple(STILL)) -> None:
    """Raises ValueError when `out` has none of these endings, is a folder, or is one of the input files."""
    if out.suffix.lower() not in endings:
        raise ValueError(f"{out}: the ending says the format, one of {', '.join(endings)}")
    if out.is_dir():
        raise ValueError(f"{out}: is a folder, expected a file to write")
    if out.resolve() in {file.resolve() for file in inputs}:
        raise ValueError(f"{out}: is also an input; name another file to write")


def settings_of(command: Any) -> dict[str, Any]:
    """What decides the images of a command, as JSON values."""
    from cfld import __version__
    from cfld.config.io import to_dict

    sampling = to_dict(command.sampling) if hasattr(command, "sampling") else {}
    given = {**to_dict(command), **sampling, "version": __version__}
    return {name: value for name, value in given.items() if name not in NOT_CONTENT}


def save_images(
    images: Sequence[Image.Image], out: Path, settings: Mapping[str, Any], frame_ms: float = FRAME_MS
) -> None:
    """Writes an image, or several as an animation or a video, whole or not at all; animations go round for ever.

    The settings go into a JSON file called `out` plus `.json`.

    Raises:
        ValueError: when OpenCV cannot write videos here.
    """
    from cfld.files import save_json

    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == VIDEO:
        _save_video(images, out, 1000 / frame_ms)
    else:
        _save_with_pillow(images, out, frame_ms)
    save_json(dict(settings), out.with_name(f"{out.name}.json"))


def _save_with_pillow(images: Sequence[Image.Image], out: Path, frame_ms: float) -> None:
    from cfld.files import replacing

    options: dict[str, Any] = {"quality": 95}
    if len(images) > 1:  # `lossless` is for WebP, which else leaves out frames that differ little
        options |= {"save_all": True, "append_images": images[1:], "duration": round(frame_ms), "loop": 0}
        options |= {"lossless": True}
    with replacing(out) as temporary:
        images[0].save(temporary, format={**STILL, **ANIMATED}[out.suffix.lower()], **options)


def _save_video(images: Sequence[Image.Image], out: Path, fps: float) -> None:
    import cv2
    import numpy as np

    from cfld.files import replacing

    height, width = (side + side % 2 for side in (images[0].height, images[0].width))  # videos have even sides
    with replacing(out, f".part{VIDEO}") as temporary:  # OpenCV infers the format from the ending
        video = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
        try:
            if not video.isOpened():
                raise ValueError(f"{out}: OpenCV cannot write videos here; take another ending, for example .webp")
            for image in images:
                pixels = np.asarray(image.convert("RGB"))[..., ::-1]
                margins = ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0))
                video.write(np.ascontiguousarray(np.pad(pixels, margins, mode="edge")))
        finally:
            video.release()
