"""Text, JSON and CSV files."""

from __future__ import annotations

import csv
import json
import math
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

MAX_TEXT_BYTES: Final = 256 * 2**20
"""COCO's largest keypoint file has 238 MB."""
MAX_LINE: Final = 2**16
"""Characters of a line in a list or CSV file; an annotation has about 300."""
MAX_DEPTH: Final = 64
"""Levels of nested lists and objects."""
MAX_INTEGER: Final = 2**63 - 1

_KINDS: Final = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def check_file(path: str | Path, max_bytes: float = math.inf) -> int:
    """Checks that `path` is a regular file; opening a pipe or a device instead may never return.

    Returns:
        its size in bytes.

    Raises:
        ValueError: for anything else, and for a file of more than `max_bytes`.
    """
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # a loop of links, a name that is too long, a name with a NUL
        raise ValueError(f"{path}: {_reason(error)}") from None
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
        raise ValueError(f"{path}: is {kind}, expected a file")
    if status.st_size > max_bytes:
        raise ValueError(f"{path}: has {status.st_size / 2**20:.3g} MB; the limit is {max_bytes / 2**20:.3g} MB")
    return status.st_size


def read_text(path: str | Path) -> str:
    """Reads a UTF-8 file, with or without a byte order mark."""
    check_file(path, MAX_TEXT_BYTES)
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not a text file (UTF-8): {error}") from None
    except OSError as error:
        raise ValueError(f"{path}: {_reason(error)}") from None


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yields number and stripped text of each line that is not blank."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if len(line) > MAX_LINE:
            raise ValueError(f"{path}, line {number}: has {len(line)} characters; the limit is {MAX_LINE}")
        if "\0" in line:
            raise ValueError(f"{path}, line {number}: contains a NUL character, so this is not a text file")
        if stripped := line.strip():
            yield number, stripped


def read_table(path: str | Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Reads a CSV file with a header; fields do not contain line breaks.

    Args:
        columns: those that the header must have.
    """
    lines = ((number, _fields(line, f"{path}, line {number}")) for number, line in read_lines(path))
    _, header = next(lines, (0, []))
    if not set(columns) <= set(header):
        raise ValueError(f"{path}: expected the header {','.join(columns)!r}, got {','.join(header)[:60]!r}")
    rows = []
    for number, fields in lines:
        if len(fields) != len(header):
            raise ValueError(f"{path}, line {number}: has {len(fields)} fields, expected {len(header)}")
        rows.append(dict(zip(header, fields, strict=True)))
    return rows


def _fields(line: str, name: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise ValueError(f"{name}: not CSV ({error})") from None


def load_json(path: str | Path) -> Any:
    """Reads a JSON file; see `parse_json`."""
    return parse_json(read_text(path), str(path))


def load_object(path: str | Path) -> dict[str, Any]:
    """Reads a JSON file that contains an object."""
    values = load_json(path)
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a JSON object, got {str(values)[:40]!r}")
    return values


def parse_json(text: str, name: str) -> Any:
    """Parses JSON within the limits above. Keys are unique; NaN is accepted, as Python writes it, Infinity is not.

    Raises:
        ValueError: for anything else; names `name`, and explains NumPy 2's `np.int64(3)`.
    """
    if "np.int" in text or "np.float" in text:
        raise ValueError(
            f"{name}: holds 'np.int64(...)', which NumPy 2 writes for str(list(array)); "
            "write the coordinates with json.dumps(array.tolist()) instead"
        )
    try:
        return _shallow(_DECODER.decode(text))
    except RecursionError:
        raise ValueError(f"{name}: not JSON ({_TOO_DEEP})") from None
    except ValueError as error:
        raise ValueError(f"{name}: not JSON ({error})") from None


_TOO_DEEP: Final = f"lists and objects are nested more than {MAX_DEPTH} levels deep"


def _shallow(values: Any) -> Any:
    """Returns `values`; what is nested deeper would exceed Python's recursion limit in later calls."""
    level = [values]
    for _ in range(MAX_DEPTH + 1):
        containers = [one for one in level if isinstance(one, dict | list)]
        level = [child for one in containers for child in (one.values() if isinstance(one, dict) else one)]
    if level:
        raise ValueError(_TOO_DEEP)
    return values


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)[:40]!r} occurs twice")
    return values


def _integer(digits: str) -> int:
    if len(digits) > len(str(-MAX_INTEGER)) or abs(int(digits)) > MAX_INTEGER:
        raise ValueError(f"the number {digits[:20]}... is beyond 64 bits")
    return int(digits)


def _finite(digits: str) -> float:
    if math.isinf(float(digits)):
        raise ValueError(f"the number {digits[:40]} is not finite")
    return float(digits)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_finite, parse_constant=_finite
)


def _reason(error: Exception) -> str:
    """What the system said, without the name of the file."""
    return getattr(error, "strerror", None) or str(error)
