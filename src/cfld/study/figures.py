"""Answers -> the figures of section 4.4: R2G, G2R, Jab."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cfld.study.answers import Tally
from cfld.study.definition import Study
from cfld.study.plan import plan
from cfld.study.statistics import PairTest, Share, UniformTest, pair_tests, share, uniform_test


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Whose answers count, beyond those who finished and passed their attention checks.

    Attributes:
        unfinished: also who has not finished, or not yet.
        inattentive: also who failed more attention checks than the study allows.
    """

    unfinished: bool = False
    inattentive: bool = False


@dataclass(frozen=True, kw_only=True)
class MethodFigures:
    """One method's row.

    Attributes:
        participants: who judged its images in part one, and count.
        r2g: of the real images that they judged, those called generated.
        g2r: of its generated images that they judged, those called real.
        jab: of all best matches picked in part two, by anyone who counts, those of this method.
    """

    method: str
    participants: int
    r2g: Share
    g2r: Share
    jab: Share


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A study's results.

    Attributes:
        started, finished: participants.
        inattentive: participants who failed more checks than allowed, finished or not.
        counted: participants whose answers are in the figures.
        answers: theirs, attention checks left out.
        jab_test: of all methods being picked equally often.
        jab_pairs: of two methods each.
    """

    started: int
    finished: int
    inattentive: int
    counted: int
    answers: int
    methods: tuple[MethodFigures, ...]
    jab_test: UniformTest | None
    jab_pairs: tuple[PairTest, ...]


def figures(study: Study, tallies: Iterable[Tally], rules: Rules) -> Figures:
    """The figures of all answers, as the rules select them."""
    people: dict[int, list[Tally]] = defaultdict(list)
    for tally in tallies:
        people[tally.number].append(tally)
    questions = len(plan(study, 1))
    finished = {n for n, mine in people.items() if sum(t.count for t in mine) == questions}
    inattentive = {n for n, mine in people.items() if _failed(mine) > study.protocol.failed_checks_allowed}
    counted = (set(people) if rules.unfinished else finished) - (set() if rules.inattentive else inattentive)
    kept = [t for n in sorted(counted) for t in people[n] if t.kind not in (None, "check")]
    picks = {method: _count(kept, "comparison", method) for method in study.methods}
    return Figures(
        started=len(people),
        finished=len(finished),
        inattentive=len(inattentive),
        counted=len({t.number for t in kept}),
        answers=sum(t.count for t in kept),
        methods=tuple(_method(method, kept, picks) for method in study.methods),
        jab_test=uniform_test(picks),
        jab_pairs=tuple(pair_tests(picks)),
    )


def _failed(tallies: Sequence[Tally]) -> int:
    return sum(t.count for t in tallies if t.kind == "check" and t.pick != t.expected)


def _method(method: str, tallies: Sequence[Tally], picks: dict[str, int]) -> MethodFigures:
    mine = [t for t in tallies if t.method == method]
    return MethodFigures(
        method=method,
        participants=len({t.number for t in mine}),
        r2g=_wrong(mine, "real", "generated"),
        g2r=_wrong(mine, "generated", "real"),
        jab=share(picks[method], sum(picks.values())),
    )


def _wrong(tallies: Sequence[Tally], kind: str, pick: str) -> Share:
    return share(_count(tallies, kind, pick), sum(t.count for t in tallies if t.kind == kind))


def _count(tallies: Sequence[Tally], kind: str, pick: str) -> int:
    return sum(t.count for t in tallies if (t.kind, t.pick) == (kind, pick))
