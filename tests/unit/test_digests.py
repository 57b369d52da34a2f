"""What counts as done, and what does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cfld.digests import (
    ABSENT,
    UNRECORDED,
    Record,
    digest,
    file_digest,
    in_threads,
    json_digest,
    outdated,
    tensor_digest,
)

ORIGIN = {"source": "a", "pose": "b"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A recorded file."""
    (tmp_path / "image.png").write_bytes(b"content")
    Record(tmp_path).add(tmp_path / "image.png", ORIGIN)
    return tmp_path / "image.png"


def problem(file: Path, **changed: str) -> str | None:
    return Record(file.parent).problem(file, {**ORIGIN, **changed})


def test_a_whole_file_of_the_same_origin_is_done(file: Path) -> None:
    assert problem(file) is None
    assert problem(file.parent / "other.png") == ABSENT
    (file.parent / "other.png").write_bytes(b"content")
    assert problem(file.parent / "other.png") == UNRECORDED


@pytest.mark.parametrize("content", [b"", b"conten", b"contenT", b"content+"])
def test_a_changed_file_is_damaged(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert problem(file) == "damaged"


def test_what_has_changed_is_named(file: Path) -> None:
    assert problem(file, pose="c") == "pose changed"
    assert problem(file, pose="c", source="d") == "source and pose changed"
    assert problem(file, model="e") == "model changed"
    Record(file.parent).add(file, {**ORIGIN, "pose": "c"})
    assert problem(file, pose="c") is None
    assert problem(file) == "pose changed"


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_a_record_cut_anywhere_loses_its_last_line_alone(file: Path, cut: int) -> None:
    """As by a kill in the middle of a write; what is recorded afterwards counts."""
    record = file.parent / Record.NAME
    whole = record.read_bytes()
    (file.parent / "b").write_bytes(b"b")
    Record(file.parent).add(file.parent / "b", ORIGIN)
    record.write_bytes(whole + record.read_bytes()[len(whole) :][:cut])
    assert problem(file) is None
    assert problem(file.parent / "b") in (UNRECORDED, None)
    Record(file.parent).add(file.parent / "b", ORIGIN)
    assert problem(file.parent / "b") is None


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "null",
        '{"file": 3}',
        '{"file": [], "digest": "", "origin": {}}',
        '{"file": "image.png", "digest": "x", "origin": [1]}',
        "[" * 100_000,
        "\udcff",
    ],
    ids=lambda line: line[:20].encode("ascii", "replace").decode(),
)
def test_a_damaged_line_is_no_record(file: Path, line: str) -> None:
    record = file.parent / Record.NAME
    whole = record.read_bytes()
    record.write_bytes(line.encode(errors="surrogateescape"))
    assert problem(file) == UNRECORDED
    record.write_bytes(line.encode(errors="surrogateescape") + whole)
    assert problem(file) is None


def test_a_folder_is_its_files_and_their_names(tmp_path: Path) -> None:
    for name, files in {"a": {"x": "1", "y": "2"}, "b": {"x": "1", "y": "2"}, "c": {"x": "1", "z": "2"}}.items():
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_text(content)
    a, b, c = (file_digest(tmp_path / name) for name in "abc")
    assert a == b != c


def test_files_are_recorded_below_the_folder(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "0.png").write_text(split)
        Record(tmp_path).add(tmp_path / split / "0.png", ORIGIN)
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    assert [Record(moved).problem(moved / split / "0.png", ORIGIN) for split in ("train", "test")] == [None, None]


def test_digests_see_where_a_part_ends() -> None:
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")
    assert digest("é".encode()) == digest("é")
    assert json_digest({"a": 1, "b": 2}) == json_digest({"b": 2, "a": 1}) != json_digest({"a": 2, "b": 1})


def test_the_digest_of_tensors_sees_one_bit_a_name_a_dtype_and_a_shape() -> None:
    tensor = torch.zeros(2, 3)
    changed = tensor.clone()
    changed[1, 2] = -0.0
    variants = [{"a": tensor}, {"a": changed}, {"b": tensor}, {"a": tensor.T}, {"a": tensor.bfloat16()}]
    variants.append({"a": tensor.int()})
    assert len({tensor_digest(tensors) for tensors in variants}) == len(variants)
    assert tensor_digest({"a": tensor.clone(), "s": torch.tensor(1)}) == tensor_digest(
        {"a": tensor, "s": torch.tensor(1)}
    )


def test_threads_keep_the_order_and_the_first_error() -> None:
    assert in_threads(lambda i: i * 2, range(100), "doubling") == list(range(0, 200, 2))

    def fail(i: int) -> int:
        if i >= 3:
            raise ValueError(f"item {i}")
        return i

    with pytest.raises(ValueError, match="item 3"):
        in_threads(fail, range(1000), "failing")


def test_outdated_results_are_counted_by_reason() -> None:
    assert outdated([None, ABSENT, None]) == ""
    assert outdated(["damaged", None, "source changed", ABSENT, "damaged"]) == "3 (2 damaged, 1 source changed)"


def test_a_record_is_plain_json_lines(file: Path) -> None:
    (line,) = filter(None, (file.parent / Record.NAME).read_text().splitlines())
    assert json.loads(line) == {"file": "image.png", "digest": file_digest(file), "origin": ORIGIN}


def test_arrays_count_by_their_bytes() -> None:
    assert digest(np.zeros(3, np.float32).data) == digest(bytes(12))
