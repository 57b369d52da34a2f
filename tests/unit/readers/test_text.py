"""Text, JSON and CSV: what is read, and one line for everything else."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfld.files import save_json
from cfld.readers import text
from cfld.readers.text import check_file, load_json, load_object, parse_json, read_lines, read_table, read_text
from support.errors import refusal


def one_line(path: Path, words: str) -> str:
    return rf"\A{re.escape(str(path))}[:,] [^\n]*{words}[^\n]*\Z"


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """A pipe would block, and a device never end."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    wrong = {"pipe": "is a pipe", "loop": "symbolic links", "absent": "no such file", "x" * 300: "too long"}
    for name, words in {**wrong, "socket": "is a socket", "": "is a folder", "a\0b": "null"}.items():
        with pytest.raises(ValueError, match=one_line(tmp_path / name, words)):
            check_file(tmp_path / name)
    listening.close()
    with pytest.raises(ValueError, match="is a device"):
        check_file("/dev/zero")


def test_the_size_is_checked_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_file(written(tmp_path / "a", "123")) == 3
    monkeypatch.setattr(text, "MAX_TEXT_BYTES", 2)
    with pytest.raises(ValueError, match=one_line(tmp_path / "a", "the limit is")):
        read_text(tmp_path / "a")


def test_text_is_utf_8_with_or_without_a_mark(tmp_path: Path) -> None:
    assert read_text(written(tmp_path / "a", "\ufeffä")) == "ä"
    with pytest.raises(ValueError, match=one_line(tmp_path / "b", "UTF-8")):
        read_text(written(tmp_path / "b", "a".encode("utf-16")))


def test_json_round_trip(tmp_path: Path) -> None:
    save_json({"a": [1, None]}, tmp_path / "a.json")
    assert load_object(tmp_path / "a.json") == {"a": [1, None]}
    save_json([1], tmp_path / "a.json")
    assert load_json(tmp_path / "a.json") == [1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not JSON"),
        (b"\xff", "UTF-8"),
        (b"[1]", "JSON object"),
        (b"", "not JSON"),
        (b'{"a": Infinity}', "not finite"),
        (b'{"a": -Infinity}', "not finite"),
        (b'{"a": 1e400}', "not finite"),
        (b'{"a": 1' + 400 * b"0" + b"}", "64 bits"),
        (b'{"a": ' + 5000 * b"9" + b"}", "64 bits"),
        (b'{"a": 1, "a": 2}', "'a' occurs twice"),
        (b'{"a": [np.int64(3)]}', "NumPy 2"),
        *((opening * depth, "not JSON") for opening in (b"[", b'{"a":') for depth in (80, 5000, 200_000)),
        *((b'{"a": ' + b"[" * depth + b"]" * depth + b"}", "nested") for depth in (80, 5000, 200_000)),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_other_contents_raise(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=one_line(tmp_path / "a.json", words)):
        load_object(written(tmp_path / "a.json", content))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=200))
def test_whatever_is_parsed_is_small_and_shallow(value: Any) -> None:
    content = json.dumps(value)
    if message := refusal(parse_json, content, "value"):
        assert message.startswith("value: not JSON (")
    else:
        assert json.dumps(parse_json(content, "value")) == content


@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:019eE.-+nulltrueNaInfty ', max_size=60).map(str.encode))
def test_any_bytes_are_json_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = written(tmp_path_factory.getbasetemp() / "any.json", content)
    assert re.fullmatch(rf"({re.escape(str(path))}: [^\n]+)?", refusal(load_json, path))


def test_lines_have_their_numbers(tmp_path: Path) -> None:
    assert list(read_lines(written(tmp_path / "a.lst", "\n x \r\n\ny"))) == [(2, "x"), (4, "y")]


@pytest.mark.parametrize(("content", "words"), [("a\nb\0c", "line 2: contains a NUL"), ("a" * 70_000, "line 1: has")])
def test_lines_are_short_and_text(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        list(read_lines(written(tmp_path / "a.lst", content)))


def test_a_table_has_its_columns(tmp_path: Path) -> None:
    table = read_table(written(tmp_path / "a.csv", 'from,no,to\n\n"a,b",1,c\n'), ("from", "to"))
    assert table == [{"from": "a,b", "no": "1", "to": "c"}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "expected the header"),
        ("to\na", "expected the header"),
        ("from,to\na,b,c", "line 2: has 3 fields"),
        ("from,to\na", "line 2: has 1 fields"),
        ('from,to\n"a,b', "line 2: not CSV"),
        ("from,to\n" + "a" * 200_000 + ",b", "line 2: has 200002 characters"),
    ],
)
def test_malformed_tables_are_refused(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_table(written(tmp_path / "a.csv", content), ("from", "to"))
