"""The command line's errors: one line and exit code 2 for the user's, a traceback for bugs."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import torch
from av.error import FFmpegError
from PIL import Image
from safetensors import SafetensorError
from sqlalchemy.exc import OperationalError

from cfld.cli.errors import user_errors


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a\n b"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        FileNotFoundError(2, "No such file", "x"),
        FloatingPointError("step 3"),
        MemoryError(),
        Image.DecompressionBombError("large"),
        SafetensorError("header"),
        zipfile.BadZipFile("bad"),
        FFmpegError(-1, "codec"),
        OperationalError("select", None, Exception("locked")),
        torch.OutOfMemoryError("CUDA out of memory"),
        ValueError("\x1b[2J\0"),
        ValueError("long " * 10_000),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_users_and_libraries_become_one_line(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, user_errors():
        raise error
    out, err = capsys.readouterr()
    assert (stopped.value.code, out, err.count("\n"), err[:6]) == (2, "", 1, "cfld: ")
    assert err[:-1].isprintable()
    assert len(err) < 4100


@pytest.mark.parametrize("allocate", [torch.empty, np.empty])
def test_a_lack_of_memory_names_the_remedy(allocate: type, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), user_errors():
        allocate(10**15)
    assert "not enough memory" in capsys.readouterr().err


@pytest.mark.parametrize("bug", [TypeError, KeyError, AttributeError, IndexError, RuntimeError, AssertionError])
def test_bugs_keep_their_traceback(bug: type[Exception]) -> None:
    with pytest.raises(bug), user_errors():
        raise bug("mat1 and mat2 shapes cannot be multiplied")


def test_an_interruption_has_the_exit_code_of_shells() -> None:
    with pytest.raises(SystemExit) as stopped, user_errors():
        raise KeyboardInterrupt
    assert stopped.value.code == 130
