"""Result files of the commands: checked before any work, written whole, with their settings beside them."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cfld import __version__
from cfld.cli.options import recipe_of
from cfld.config.io import to_dict
from cfld.files import replacing, replacing_all, save_json

if TYPE_CHECKING:
    from PIL import Image

STILL: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
ANIMATED: Final = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}
"""File extension -> Pillow's name of the format."""
VIDEO: Final = ".mp4"
MOVING: Final = (*ANIMATED, VIDEO)
SETTINGS: Final = ("{}.json",)
"""The file of settings beside an image."""

FRAME_MS: Final = 150.0
"""Default duration of an animation's frames in milliseconds."""
GROUPS: Final = ("pipeline", "sampling", "recipe")
"""Groups of options whose fields stand singly among the settings."""
NOT_SETTINGS: Final = ("out", "batch", "device", "engine_cache", "limit")
"""Options that do not change the content of an image."""


def settings_of(command: Any) -> dict[str, Any]:
    """The options of a command that determine its images, those of its recipe filled in, and the version, as JSON."""
    settings = to_dict(command)
    for group in GROUPS:
        settings |= settings.pop(group, {})
    recipe = to_dict(recipe_of(*(getattr(command, group) for group in GROUPS if hasattr(command, group))))
    settings |= {name: recipe[name] for name in recipe.keys() & settings.keys()}
    settings["version"] = __version__
    return {name: value for name, value in settings.items() if name not in NOT_SETTINGS}


def save_images(
    images: Sequence[Image.Image], out: Path, settings: Mapping[str, Any], frame_ms: float = FRAME_MS
) -> None:
    """Writes an image, or several as an endless animation or a video, and `out`.json; prints the file's name.

    Raises:
        OSError: when they cannot be written; existing files stay.
    """
    with replacing_all(out, out.with_name(SETTINGS[0].format(out.name))) as (file, settings_file):
        if out.suffix.lower() == VIDEO:
            encode_video(images, file, frame_ms)
        elif len(images) == 1:
            encode_image(images[0], file, quality=95)
        else:  # lossless: WebP otherwise drops frames that differ little
            animation = {"append_images": images[1:], "duration": round(frame_ms), "loop": 0, "lossless": True}
            encode_image(images[0], file, quality=95, save_all=True, **animation)
        save_json(dict(settings), settings_file)
    print(out)


def save_image(image: Image.Image, out: Path) -> None:
    """Writes an image in the format of the file extension; makes its folder."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as file:
        encode_image(image, file)


def encode_image(image: Image.Image, file: Path, **options: Any) -> None:
    """Writes an image in the format of the file extension.

    Args:
        options: of Pillow's `save`.
    """
    image.save(file, format={**STILL, **ANIMATED}[file.suffix.lower()], **options)


def encode_video(images: Sequence[Image.Image], file: Path, frame_ms: float) -> None:
    """Writes an MP4 file, in H.264 where the installed FFmpeg has an encoder for it, else in MPEG-4.

    Raises:
        OSError: when it cannot be written, or does not contain all images.
    """
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(file), "w", options={"movflags": "faststart"}) as container:
            stream = container.add_stream(_video_codec(), rate=Fraction(1000 / frame_ms).limit_denominator(1000))
            stream.width, stream.height = (side + side % 2 for side in images[0].size)  # the codecs need even sides
            stream.pix_fmt, stream.options = "yuv420p", {"crf": "15"}
            for image in images:
                container.mux(stream.encode(av.VideoFrame.from_image(_even_sides(image))))
            container.mux(stream.encode(None))
        with av.open(str(file)) as container:
            count = sum(1 for _ in container.decode(video=0))
    except FFmpegError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None
    if count != len(images):
        raise OSError(errno.EIO, f"{count} of {len(images)} images were written", str(file))


def _video_codec() -> str:
    from av.codec import codecs_available

    return next(name for name in ("libx264", "mpeg4") if name in codecs_available)


def _even_sides(image: Image.Image) -> Image.Image:
    """Repeats the last row and column of an image with odd sides."""
    import numpy as np
    from PIL import Image

    margins = (image.height % 2, image.width % 2)
    pixels = np.asarray(image.convert("RGB"))
    return Image.fromarray(np.pad(pixels, ((0, margins[0]), (0, margins[1]), (0, 0)), mode="edge"))
