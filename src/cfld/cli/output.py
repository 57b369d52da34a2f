"""Result files of the commands: checked before any work, written whole, with their settings beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cfld import __version__
from cfld.config.io import to_dict
from cfld.files import replacing, save_json

if TYPE_CHECKING:
    from PIL import Image

STILL: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
ANIMATED: Final = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}
"""File extension -> Pillow's name of the format."""
VIDEO: Final = ".mp4"
MOVING: Final = (*ANIMATED, VIDEO)

FRAME_MS: Final = 150.0
"""Default duration of an animation's frames in milliseconds."""
GROUPS: Final = ("pipeline", "sampling")
"""Groups of options whose fields stand singly among the settings."""
NOT_SETTINGS: Final = ("out", "batch", "device", "limit")
"""Options that do not change the content of an image."""


def check_output(out: Path, inputs: Iterable[Path] = (), extensions: Collection[str] = tuple(STILL)) -> None:
    """Checks that `out` is a file that the command can write.

    Raises:
        ValueError: when it has none of these extensions, is a folder, or is one of the input files.
    """
    if out.suffix.lower() not in extensions:
        raise ValueError(f"{out}: unknown file extension; use one of {', '.join(extensions)}")
    if out.is_dir():
        raise ValueError(f"{out} is a folder; name a file to write")
    if out.resolve() in {file.resolve() for file in inputs}:
        raise ValueError(f"{out} is also an input; name another file to write")


def settings_of(command: Any) -> dict[str, Any]:
    """The options of a command that determine its images, and the version, as JSON values."""
    settings = to_dict(command)
    for group in GROUPS:
        settings |= settings.pop(group, {})
    settings["version"] = __version__
    return {name: value for name, value in settings.items() if name not in NOT_SETTINGS}


def save_images(
    images: Sequence[Image.Image], out: Path, settings: Mapping[str, Any], frame_ms: float = FRAME_MS
) -> None:
    """Writes an image, or several as an endless animation or a video, and `out`.json; prints the file's name.

    Raises:
        ValueError: when OpenCV cannot write videos on this machine.
    """
    if out.suffix.lower() == VIDEO:
        _save_video(images, out, 1000 / frame_ms)
    elif len(images) == 1:
        save_image(images[0], out, quality=95)
    else:  # lossless: WebP otherwise drops frames that differ little
        animation = {"append_images": images[1:], "duration": round(frame_ms), "loop": 0, "lossless": True}
        save_image(images[0], out, quality=95, save_all=True, **animation)
    save_json(dict(settings), out.with_name(f"{out.name}.json"))
    print(out)


def save_image(image: Image.Image, out: Path, **options: Any) -> None:
    """Writes an image in the format of the file extension.

    Args:
        options: of Pillow's `save`.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as temporary:
        image.save(temporary, format={**STILL, **ANIMATED}[out.suffix.lower()], **options)


def _save_video(images: Sequence[Image.Image], out: Path, fps: float) -> None:
    import cv2
    import numpy as np

    out.parent.mkdir(parents=True, exist_ok=True)
    height, width = (side + side % 2 for side in (images[0].height, images[0].width))  # videos need even sides
    with replacing(out, f".part{VIDEO}") as temporary:  # OpenCV chooses the format by the extension
        video = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
        try:
            if not video.isOpened():
                raise ValueError(f"{out}: OpenCV cannot write videos here; use another format, such as .webp")
            for image in images:
                pixels = np.asarray(image.convert("RGB"))[..., ::-1]
                margins = ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0))
                video.write(np.ascontiguousarray(np.pad(pixels, margins, mode="edge")))
        finally:
            video.release()
