"""What a participant sees, in which order: decided by the study's seed and the participant's number, and nothing else.

So a server needs to remember no order, and servers that share a database agree on it.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from typing import Final, Literal

from cfld.study.definition import Pair, Study

Kind = Literal["real", "generated", "comparison", "check"]
JUDGEMENTS: Final = ("real", "generated")
"""The answers of part one, in the order of their buttons."""
TOLD, NOT_TOLD = "told", "not told"
"""The picks of an attention check in part two."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One question.

    Attributes:
        part: 1 or 2.
        kind: what is asked after; a check has a right answer.
        pair: the pair's index in the study; none for a card of part one.
        context: ids of source, target pose (there may be none) and truth; empty in part one.
        images: ids: one in part one, one a method in part two.
        picks: what choosing the first, second, ... means: a judgement in part one, a method in part two.
        expected: the pick that passes a check.
    """

    part: Literal[1, 2]
    kind: Kind
    pair: int | None
    images: tuple[str, ...]
    picks: tuple[str, ...]
    context: tuple[str | None, ...] = ()
    expected: str | None = None


@functools.lru_cache(maxsize=4096)
def method_of(study: Study, number: int) -> str:
    """The method whose images a participant judges in part one.

    Each round of as many participants as there are methods goes through all methods, in an order of its own.

    Args:
        number: 1, 2, 3, ... in the order of arrival.
    """
    round_number, place = divmod(number - 1, len(study.methods))
    order = random.Random(f"{study.protocol.seed}, round {round_number}").sample(study.methods, len(study.methods))
    return order[place]


@functools.lru_cache(maxsize=4096)
def plan(study: Study, number: int) -> tuple[Trial, ...]:
    """All questions to a participant, part one first."""
    rng = random.Random(f"{study.protocol.seed}, participant {number}")
    return (*_part_one(study, method_of(study, number), rng), *_part_two(study, rng))


def _part_one(study: Study, method: str, rng: random.Random) -> list[Trial]:
    real = [_judgement("real", i, study.pairs[i].truth_picture) for i in study.real]
    generated = [_judgement("generated", i, study.pairs[i].results[method]) for i in study.generated]
    trials = [*real, *generated]
    rng.shuffle(trials)
    cards = {"real": study.cards.real, "generated": study.cards.generated}
    asked = [rng.choice(JUDGEMENTS) for _ in range(study.protocol.checks if trials else 0)]
    return _scattered(trials, [_judgement("check", None, cards[answer], answer) for answer in asked], rng)


def _judgement(kind: Kind, pair: int | None, image: str, expected: str | None = None) -> Trial:
    return Trial(part=1, kind=kind, pair=pair, images=(image,), picks=JUDGEMENTS, expected=expected)


def _part_two(study: Study, rng: random.Random) -> list[Trial]:
    order = rng.sample(study.comparisons, len(study.comparisons))
    trials = [_comparison(study, index, rng) for index in order]
    asked = [rng.choice(study.comparisons) for _ in range(study.protocol.checks if trials else 0)]
    return _scattered(trials, [_comparison_check(study, index, rng) for index in asked], rng)


def _comparison(study: Study, index: int, rng: random.Random) -> Trial:
    pair, places = study.pairs[index], rng.sample(study.methods, len(study.methods))
    images = tuple(pair.results[method] for method in places)
    return Trial(part=2, kind="comparison", pair=index, context=_context(pair), images=images, picks=tuple(places))


def _comparison_check(study: Study, index: int, rng: random.Random) -> Trial:
    place = rng.randrange(len(study.methods))
    told = [i == place for i in range(len(study.methods))]
    return Trial(
        part=2,
        kind="check",
        pair=index,
        context=_context(study.pairs[index]),
        images=tuple(study.cards.this_one if here else study.cards.not_this_one for here in told),
        picks=tuple(TOLD if here else NOT_TOLD for here in told),
        expected=TOLD,
    )


def _context(pair: Pair) -> tuple[str | None, ...]:
    return pair.source_picture, pair.pose_picture, pair.truth_picture


def _scattered(trials: list[Trial], checks: list[Trial], rng: random.Random) -> list[Trial]:
    """Checks at random places, never the first."""
    for check in checks:
        trials.insert(rng.randint(1, len(trials)), check)
    return trials
