"""Programs outside of Python that tests drive."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def chromium() -> str:
    """The path of a Chromium or Chrome."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, names) if path), None) or without("apt-get install chromium")


def postgres_program(name: str) -> Path:
    """The path of one of PostgreSQL's server programs, which Debian keeps off the PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = installed[-1] if installed else shutil.which(name)
    return without("apt-get install postgresql") if found is None else Path(found).resolve()


def without(remedy: str) -> NoReturn:
    """Skips the test; fails it in CI, where everything is installed."""
    message = f"needs what is not installed: {remedy}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
