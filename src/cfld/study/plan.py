"""Which questions a participant gets, in which order: a function of the study's seed and the participant's number.

So servers store no order, and servers that share a database agree on it.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from typing import Final, Literal

from cfld.study.definition import Study

Kind = Literal["real", "generated", "comparison", "check"]
JUDGEMENTS: Final = ("real", "generated")
"""The answers of part one, in the order of their buttons."""
THIS_ONE, NOT_THIS_ONE = "told", "not told"
"""The picks of an attention check in part two, as the database stores them."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One question.

    Attributes:
        part: 1 or 2.
        kind: kind of question; a check has a right answer.
        pair: index of the pair in the study; None for a check of part one.
        context: `Pair.context`; empty in part one.
        images: image ids: one in part one, one per method in part two.
        picks: meaning of the first, second, ... choice: a judgement in part one, a method in part two.
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
def assigned_method(study: Study, number: int) -> str:
    """The method whose images a participant judges in part one.

    Block randomisation: each block of as many participants as methods gets all methods, in a random order.

    Args:
        number: 1, 2, 3, ... in the order of arrival.
    """
    block, place = divmod(number - 1, len(study.methods))
    order = random.Random(f"{study.protocol.seed}, round {block}").sample(study.methods, len(study.methods))
    return order[place]


@functools.lru_cache(maxsize=4096)
def plan(study: Study, number: int) -> tuple[Trial, ...]:
    """All questions of a participant, part one first."""
    rng = random.Random(f"{study.protocol.seed}, participant {number}")
    return (*_part_one(study, assigned_method(study, number), rng), *_part_two(study, rng))


def _part_one(study: Study, method: str, rng: random.Random) -> list[Trial]:
    real = [_judgement("real", i, study.pairs[i].truth_picture) for i in study.real]
    generated = [_judgement("generated", i, study.pairs[i].results[method]) for i in study.generated]
    trials = [*real, *generated]
    rng.shuffle(trials)
    cards = {"real": study.cards.real, "generated": study.cards.generated}
    expected = [rng.choice(JUDGEMENTS) for _ in range(study.protocol.checks if trials else 0)]
    return _insert_checks(trials, [_judgement("check", None, cards[answer], answer) for answer in expected], rng)


def _judgement(kind: Kind, pair: int | None, image: str, expected: str | None = None) -> Trial:
    return Trial(part=1, kind=kind, pair=pair, images=(image,), picks=JUDGEMENTS, expected=expected)


def _part_two(study: Study, rng: random.Random) -> list[Trial]:
    order = rng.sample(study.comparisons, len(study.comparisons))
    trials = [_comparison(study, index, rng) for index in order]
    checked = [rng.choice(study.comparisons) for _ in range(study.protocol.checks if trials else 0)]
    return _insert_checks(trials, [_comparison_check(study, index, rng) for index in checked], rng)


def _comparison(study: Study, index: int, rng: random.Random) -> Trial:
    pair, methods = study.pairs[index], rng.sample(study.methods, len(study.methods))
    images = tuple(pair.results[method] for method in methods)
    return Trial(part=2, kind="comparison", pair=index, context=pair.context, images=images, picks=tuple(methods))


def _comparison_check(study: Study, index: int, rng: random.Random) -> Trial:
    right = rng.randrange(len(study.methods))
    picks = tuple(THIS_ONE if i == right else NOT_THIS_ONE for i in range(len(study.methods)))
    cards = {THIS_ONE: study.cards.this_one, NOT_THIS_ONE: study.cards.not_this_one}
    return Trial(
        part=2,
        kind="check",
        pair=index,
        context=study.pairs[index].context,
        images=tuple(cards[pick] for pick in picks),
        picks=picks,
        expected=THIS_ONE,
    )


def _insert_checks(trials: list[Trial], checks: list[Trial], rng: random.Random) -> list[Trial]:
    """Inserts the checks at random places, never the first."""
    for check in checks:
        trials.insert(rng.randint(1, len(trials)), check)
    return trials
