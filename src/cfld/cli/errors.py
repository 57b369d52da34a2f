"""The boundary of the command line: which errors are the user's, and their one line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

USER_ERRORS: Final = (ValueError, OSError, FloatingPointError, MemoryError)
"""Errors of input, files, numbers and memory. Other exceptions are bugs and keep their traceback."""
LIBRARY_ERRORS: Final = {
    "PIL.DecompressionBombError",
    "av.FFmpegError",
    "httpx.HTTPError",
    "httpx2.HTTPError",
    "huggingface_hub.EntryNotFoundError",
    "safetensors.SafetensorError",
    "safetensors_rust.SafetensorError",
    "sqlalchemy.SQLAlchemyError",
    "torch.OutOfMemoryError",
    "zipfile.BadZipFile",
}
"""Those of libraries that derive from none of these: package and class, since a command imports what it needs only."""
MAX_LINE: Final = 4000
"""Characters of a message, of which the middle is left out beyond it."""
OUT_OF_MEMORY: Final = "can't allocate memory"
"""In the message of PyTorch's RuntimeError where the main memory does not suffice."""


@contextmanager
def user_errors() -> Iterator[None]:
    """Turns the user's errors into `SystemExit` with code 2, after one line; an interruption into code 130."""
    warnings.filterwarnings("ignore", module=r"PIL\.|torch\._weights_only")  # what they warn of is an error or harmless
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if not is_user_error(error):
            raise
        print(one_line(_message(error)), file=sys.stderr)
        raise SystemExit(2) from None


def is_user_error(error: Exception) -> bool:
    """Whether the error is one of input, files, numbers or memory, rather than a bug."""
    names = {f"{cls.__module__.partition('.')[0]}.{cls.__name__}" for cls in type(error).__mro__}
    out_of_memory = isinstance(error, RuntimeError) and OUT_OF_MEMORY in str(error)
    return isinstance(error, USER_ERRORS) or not names.isdisjoint(LIBRARY_ERRORS) or out_of_memory


def one_line(message: str) -> str:
    """The message of the command line, in one line of limited length, in printable characters."""
    line = "".join(char if char.isprintable() else "\ufffd" for char in " ".join(message.split()))
    half = MAX_LINE // 2
    return f"cfld: {line if len(line) <= MAX_LINE else f'{line[:half]} ... {line[-half:]}'}"


def _message(error: Exception) -> str:
    text = str(error)
    if isinstance(error, MemoryError) or OUT_OF_MEMORY in text:
        return f"not enough memory ({' '.join(text.split())[:200]}); choose smaller sizes or a smaller batch"
    return text
