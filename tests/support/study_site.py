"""Clients of a study's site, in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.testclient import TestClient

from cfld.study.middleware import Limits

NO_LIMITS: Final = Limits(requests=100_000, starts=100_000)
QUESTIONS: Final = 8
"""Questions of each participant in `make_study`'s default study."""

MakeClient = Callable[..., TestClient]
