"""Weights and arrays: nothing is executed, and one line for everything that is not one."""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from cfld.readers.tensors import check_finite, check_safetensors, load_arrays, load_pickle, load_safetensors, map_array
from support.errors import refusal

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.int64)}
READERS: dict[str, Callable[[Path], Any]] = {
    "a.safetensors": load_safetensors,
    "a.pt": load_pickle,
    "a.npz": load_arrays,
    "a.npy": map_array,
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tensors")
    save_file(TENSORS, folder / "a.safetensors")
    torch.save(TENSORS, folder / "a.pt")
    np.savez(folder / "a.npz", **{name: tensor.numpy() for name, tensor in TENSORS.items()})
    np.save(folder / "a.npy", TENSORS["a"].numpy())
    return folder


def test_what_was_written_is_read(good: Path) -> None:
    for name in ("a.safetensors", "a.pt"):
        assert all(torch.equal(tensor, TENSORS[key]) for key, tensor in READERS[name](good / name).items())
    assert {key: array.tolist() for key, array in load_arrays(good / "a.npz").items()}["a"] == TENSORS["a"].tolist()
    assert map_array(good / "a.npy").tolist() == TENSORS["a"].tolist()
    assert check_safetensors(good / "a.safetensors") == {"a": (2, 3), "b": (2,)}


@pytest.mark.parametrize("name", READERS)
def test_pipes_and_folders_are_refused(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    for path, words in ((tmp_path / name, "is a pipe"), (tmp_path, "is a folder"), (tmp_path / "b", "no such file")):
        with pytest.raises(ValueError, match=words):
            READERS[name](path)


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_damaged_files_are_read_or_refused_in_one_line(good: Path, name: str, data: st.DataObject) -> None:
    content = bytearray((good / name).read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    path = good / f"damaged-{name}"
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    assert re.fullmatch(rf"({re.escape(str(path))}: [^\n]+)?", refusal(READERS[name], path))


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    save_file({"x.y": torch.tensor([1.0, torch.nan])}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=r"a\.safetensors: 1 tensors .* not finite \(x\.y\)"):
        load_safetensors(tmp_path / "a.safetensors")


def test_other_types_are_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2).to(torch.float8_e5m2)}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="tensors of type F8_E5M2"):
        load_safetensors(tmp_path / "a.safetensors")


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("/tmp/executed",)


def test_nothing_is_executed(tmp_path: Path) -> None:
    torch.save(Malicious(), tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Malicious()))
    np.save(tmp_path / "c.npy", np.array([Malicious()], dtype=object), allow_pickle=True)
    for name, read in {"a.pt": load_pickle, "b.pt": load_pickle, "c.npy": map_array}.items():
        with pytest.raises(ValueError, match=rf"{name}: not a"):
            read(tmp_path / name)
    assert not Path("/tmp/executed").exists()


def test_an_archive_does_not_expand(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(10**7))
    for read in (load_arrays, load_pickle):
        with pytest.raises(ValueError, match="expands to 10 MB"):
            read(tmp_path / "a.npz")


def test_a_sum_that_overflows_is_no_infinite_value() -> None:
    check_finite({"large": torch.full((4,), 2e38), "half": torch.full((4,), 6e4, dtype=torch.float16)}, "file")
    check_finite({"meta": torch.empty(4, device="meta"), "index": torch.arange(3)}, "file")
