"""urllib's connections, under a test's control."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

UNREACHABLE: Final = "http://127.0.0.1:9"
"""Nothing listens on the discard port."""


@contextmanager
def proxies(**addresses: str) -> Iterator[None]:
    """Sends urllib's requests through these proxies, `http=ADDRESS, https=ADDRESS`; without any, directly.

    The environment variables will not do: urllib reads them once per process, at its first request, so that they
    would hold for every later test of the process, or not at all.
    """
    urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler(addresses)))
    try:
        yield
    finally:
        urllib.request.install_opener(urllib.request.build_opener())
