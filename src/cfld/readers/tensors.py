"""Files of weights and arrays. None of them can run code."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from cfld.readers.text import check_file

MAX_TENSORS: Final = 100_000
"""In one file; Stable Diffusion's UNet has 686."""
DTYPES: Final = ("F64", "F32", "F16", "BF16", "I64", "I32", "U8", "BOOL")
MAX_EXPANSION: Final = 4
"""Size of the contents of an archive relative to its own; torch and NumPy usually do not compress theirs."""
SMALL: Final = 2**23
"""Bytes of contents that an archive may always have."""


@contextmanager
def _errors(path: str | Path, what: str) -> Iterator[None]:
    """Turns the errors of a library that parses a file into one line. They can be anything on a damaged file."""
    check_file(path)
    try:
        yield
    except Exception as error:  # noqa: BLE001
        raise ValueError(f"{path}: not {what} ({' '.join(str(error).split())[:200]})") from None


def load_safetensors(path: str | Path) -> dict[str, Tensor]:
    """Reads a safetensors file; its floating-point values are finite.

    Raises:
        ValueError: naming the file.
    """
    check_safetensors(path)
    with _errors(path, "a safetensors file"), safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return check_finite(tensors, path)


def check_safetensors(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Checks the header of a safetensors file, for libraries that read the rest themselves.

    Returns:
        the shapes by name.
    """
    with _errors(path, "a safetensors file"), safe_open(path, framework="pt") as file:
        names = list(file.keys())
        if len(names) > MAX_TENSORS:
            raise ValueError(f"{len(names)} tensors")
        slices = {name: file.get_slice(name) for name in names}
        if other := {one.get_dtype() for one in slices.values()}.difference(DTYPES):
            raise ValueError(f"tensors of type {', '.join(sorted(other))}")
        return {name: tuple(one.get_shape()) for name, one in slices.items()}


def load_pickle(path: str | Path) -> Any:
    """Reads a file of torch.save that consists of plain values and tensors, on the CPU; runs no code from it.

    Raises:
        ValueError: naming the file.
    """
    _check_archive(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - torch's messages recommend weights_only=False
        raise ValueError(f"{path}: not a plain file of weights, or damaged; copy it again") from None


def load_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """Reads a NumPy archive (.npz).

    Raises:
        ValueError: naming the file.
    """
    _check_archive(path)
    with _errors(path, "a NumPy archive"), np.load(path) as file:
        return dict(file)


def map_array(path: str | Path) -> NDArray[Any]:
    """Maps a NumPy file (.npy) into memory, to be read only.

    Raises:
        ValueError: naming the file.
    """
    with _errors(path, "a NumPy file"):
        array: NDArray[Any] = np.load(path, mmap_mode="r")
        return array


def check_finite(tensors: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Returns the tensors.

    Raises:
        ValueError: naming those with a NaN or an infinite value.
    """
    if wrong := [name for name, tensor in tensors.items() if not _is_finite(tensor)]:
        raise ValueError(f"{path}: {len(wrong)} tensors have values that are not finite ({', '.join(wrong[:3])})")
    return dict(tensors)


def _is_finite(tensor: Tensor) -> bool:
    """The sum, which is far faster than a test of each value, is finite, or merely overflows."""
    return tensor.is_meta or bool(tensor.sum(dtype=torch.float32).isfinite() or tensor.isfinite().all())


def _check_archive(path: str | Path) -> None:
    size, expanded = check_file(path), 0
    with _errors(path, "an archive"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                expanded = sum(entry.file_size for entry in archive.infolist())
    if expanded > max(MAX_EXPANSION * size, SMALL):
        raise ValueError(f"{path}: expands to {expanded / 2**20:.0f} MB, which is no file of weights")
