"""Damaged files: what a valid file becomes by a cut, a flipped bit, another value, or another kind of thing."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st
from PIL import Image

Draw = Callable[[st.SearchStrategy[Any]], Any]

LITERALS: Final = {f"@{i}@": text for i, text in enumerate(("1" + "0" * 400, "1e999", "NaN", "-Infinity", "1.0e-400"))}
"""JSON numbers that Python would not write, by what stands for them until the text is made."""
DEEP: Final = "[" * 100_000
VALUES: Final = (None, True, False, 0, -1, 1, 2, 7, 0.5, -0.0, 10**9, 10**18, -(2**63), 1e308, "", "x", "x" * 100_000,
                 "\x00", "\n", "\ud800", "../x", "/cfld-fuzz/x", "nan", "1", [], {}, [[]], [0], [None], ["a"], {"a": 1},
                 [1] * 1000, [[1, 2]] * 18, *LITERALS)  # fmt: skip


def _png(width: int, height: int) -> bytes:
    """The start of a PNG of this size."""
    header, data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b"\0" * 99)
    chunks = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _image(format: str, mode: str = "RGB", size: tuple[int, int] = (20, 30), **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, format, **options)
    return file.getvalue()


CONTENTS: Final = {
    "empty": b"",
    "blank": b" \n\n",
    "nul": b"\0" * 1000,
    "text": b"hello\n",
    "latin": b"caf\xe9\n",
    "bom": b"\xef\xbb\xbf{}",
    "utf-16": "{}".encode("utf-16"),
    "deep list": DEEP.encode(),
    "deep object": b'{"a":' * 100_000,
    "balanced": b"[" * 5_000 + b"]" * 5_000,
    "huge number": b"1" + b"0" * 5_000,
    "list": b"[]",
    "object": b"{}",
    "null": b"null",
    "number": b"1",
    "nan": b"NaN",
    "string": b'"x"',
    "long line": b"x" * 300_000 + b"\n",
    "long field": b"from,to\n" + b"x" * 200_000 + b",y\n",
    "header": b"name:keypoints_y:keypoints_x\n",
    "giant png": _png(20_000, 20_000),
    "wide png": _png(2**31 - 1, 1),
    "no area": _png(0, 10),
    "thin": _image("PNG", size=(1, 3000)),
    "dot": _image("PNG", size=(1, 1)),
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n",
    "float tiff": _image("TIFF", "F"),
    "integers": _image("TIFF", "I"),
    "gif": _image("GIF", "P"),
    "bmp": _image("BMP"),
    "tga": _image("TGA"),
    "pcx": _image("PCX"),
    "icon": _image("ICO"),
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
    "zip": b"PK\x05\x06" + b"\0" * 18,
    "safetensors": struct.pack("<Q", 2) + b"{}",
    "long header": struct.pack("<Q", 2**60) + b"{}",
}
"""Files of other kinds."""

THINGS: Final = ("nothing", "folder", "fifo", "loop", "dangling", "device", "unreadable")
"""What can stand in a file's place, beside a file; see `place`."""


@st.composite
def damaged(draw: Draw, name: str, content: bytes) -> bytes | str:
    """A damaged file: its content, or one of `THINGS`."""
    general = [_cut, _flipped, _spliced]
    special = {".json": [_json] * 8, ".safetensors": [_safetensors] * 4, ".csv": [_lines] * 4, ".lst": [_lines] * 4}
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return str(draw(st.sampled_from(THINGS)))
    if kind == 1:
        return CONTENTS[draw(st.sampled_from(sorted(CONTENTS)))]
    change = draw(st.sampled_from([*general, *special.get(Path(name).suffix, [])]))
    try:
        return bytes(change(draw, content))
    except (ValueError, IndexError):  # not of that format
        return _cut(draw, content)


def _cut(draw: Draw, content: bytes) -> bytes:
    return content[: draw(st.integers(0, max(len(content) - 1, 0)))]


def _flipped(draw: Draw, content: bytes) -> bytes:
    """Some bytes changed, most of them near the start, where headers are."""
    changed = bytearray(content or b"x")
    for _ in range(draw(st.sampled_from((1, 1, 2, 8, 64)))):
        end = draw(st.sampled_from((min(len(changed), 200), len(changed))))
        changed[draw(st.integers(0, end - 1))] = draw(
            st.sampled_from((0, 255, 10, 34, 45, 57, 91)) | st.integers(0, 255)
        )
    return bytes(changed)


def _spliced(draw: Draw, content: bytes) -> bytes:
    """A piece of the file left out, or written twice, or overwritten."""
    start, end = sorted(draw(st.integers(0, len(content))) for _ in range(2))
    piece = draw(st.sampled_from((b"", content[start:end] * 2, b"\0" * (end - start), b"\xff" * 8)))
    return content[:start] + piece + content[end:]


def _lines(draw: Draw, content: bytes) -> bytes:
    """A line left out, doubled or changed."""
    lines = content.decode().splitlines()
    row = draw(st.integers(0, len(lines) - 1))
    line = lines[row]
    value = draw(
        st.sampled_from(
            (
                *("", '"', ":::", ",,,", "x" * 200_000, "\0", "../x,/cfld-fuzz/x", "\u2028"),
                *("a: [1e999]: [1]", "a:[]:[]", f"a: {DEEP}: 1"),
                *(line + "x", line[::-1], line.replace("[", "[" * 3000), line.replace("1", "1" * 5000, 1)),
                *(line.replace("_", "/../"), line.replace(", ", ", NaN, ", 1)),
            )
        )
    )
    lines[row : row + 1] = draw(st.sampled_from(([value], [value, line], [line, line], [])))
    return "\n".join(lines).encode()


def _json(draw: Draw, content: bytes) -> bytes:
    tree = json.loads(content)
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 4)))):
        tree = _changed(draw, tree)
    text = json.dumps(tree)
    for mark, literal in LITERALS.items():
        text = text.replace(f'"{mark}"', literal)
    text = text.replace('"@deep@"', DEEP[: draw(st.sampled_from((500, 900, 5_000, 100_000)))] + "]" * 100_000)
    if draw(st.integers(0, 9)) == 0:  # the same names twice
        text = text.replace("{", '{"a": 1, "a": 2, ', 1) if draw(st.booleans()) else text[:-1] + ", " + text[1:]
    return text.encode("utf-8", "surrogatepass")


def _changed(draw: Draw, tree: Any) -> Any:
    """A JSON value with one part changed: replaced, left out, doubled or wrapped."""
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree))) if isinstance(tree, list) else []
    if keys and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(keys))
        inner = tree[key]
        copy = tree.copy()
        if draw(st.integers(0, 9)) == 0:
            del copy[key]
        else:
            copy[key] = _changed(draw, inner)
        return copy
    if isinstance(tree, int | float) and not isinstance(tree, bool) and draw(st.booleans()):
        return draw(st.sampled_from((-tree, tree * 1000, tree / 256, tree + 0.5, 0, -1, str(tree), [tree], *LITERALS)))
    if isinstance(tree, list) and draw(st.booleans()):
        return draw(st.sampled_from((tree * 2, tree[:-1], [tree], [*tree, None], tree[::-1], [])))
    return draw(st.sampled_from((*VALUES, "@deep@", [tree], {"a": tree})))


def _safetensors(draw: Draw, content: bytes) -> bytes:
    """Another header, or numbers that are not finite."""
    (size,) = struct.unpack("<Q", content[:8])
    header, data = content[8 : 8 + size], content[8 + size :]
    if draw(st.booleans()):
        header = _json(draw, header)
    else:
        data = draw(st.sampled_from((b"\xff", b"\x00", b"\x7f\x80"))) * len(data)
    return struct.pack("<Q", len(header)) + header + data[: len(content) - 8 - size]


def place(path: Path, thing: bytes | str) -> None:
    """Puts a content or one of `THINGS` in the place of a file or folder."""
    import os
    import shutil

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(thing, bytes):
        path.write_bytes(thing)
    elif thing == "folder":
        path.mkdir()
    elif thing == "fifo":
        os.mkfifo(path)
    elif thing == "loop":
        path.symlink_to(path.name)
    elif thing == "dangling":
        path.symlink_to("nowhere")
    elif thing == "device":
        path.symlink_to("/dev/zero")
    elif thing == "unreadable":
        path.write_bytes(b"secret")
        path.chmod(0)
