"""Clients of a study's site in this process, and made-up answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.testclient import TestClient

from cfld.study.database import Tally
from cfld.study.definition import Limits

NO_LIMITS: Final = Limits(requests=100_000, starts=100_000)
QUESTIONS: Final = 8
"""Questions of each participant in `make_study`'s default study."""

MakeClient = Callable[..., TestClient]

# A finished participant has 2 real, 2 generated, 1 check; 2 comparisons, 1 check, as in `make_study`.
MADE_UP: Final = [
    # 1: ours; all finished; one check failed, which is allowed
    Tally(1, "ours", "real", "real", None, 1),
    Tally(1, "ours", "real", "generated", None, 1),
    Tally(1, "ours", "generated", "real", None, 2),
    Tally(1, "ours", "comparison", "ours", None, 2),
    Tally(1, "ours", "check", "real", "generated", 1),
    Tally(1, "ours", "check", "told", "told", 1),
    # 2: theirs; finished
    Tally(2, "theirs", "real", "real", None, 2),
    Tally(2, "theirs", "generated", "generated", None, 1),
    Tally(2, "theirs", "generated", "real", None, 1),
    Tally(2, "theirs", "comparison", "ours", None, 1),
    Tally(2, "theirs", "comparison", "third", None, 1),
    Tally(2, "theirs", "check", "real", "real", 1),
    Tally(2, "theirs", "check", "told", "told", 1),
    # 3: ours; finished; both checks failed
    Tally(3, "ours", "real", "generated", None, 2),
    Tally(3, "ours", "generated", "generated", None, 2),
    Tally(3, "ours", "comparison", "theirs", None, 2),
    Tally(3, "ours", "check", "real", "generated", 1),
    Tally(3, "ours", "check", "not told", "told", 1),
    # 4: third; left after three questions
    Tally(4, "third", "real", "generated", None, 1),
    Tally(4, "third", "generated", "real", None, 1),
    Tally(4, "third", "check", "real", "real", 1),
    # 5: theirs; began, and answered nothing
    Tally(5, "theirs", None, None, None, 0),
]
