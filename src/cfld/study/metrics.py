"""The metrics of section 4.4, R2G, G2R and Jab, from the answers."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cfld.study.database import Database, Tally
from cfld.study.definition import Study
from cfld.study.plan import assigned_method, plan
from cfld.study.statistics import PairTest, Proportion, UniformTest, pair_tests, proportion, uniform_test

YEAR_5000: Final = 3000 * 365.25 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Inclusion:
    """Inclusion criteria beyond the participants who finished and passed their attention checks.

    Attributes:
        unfinished: include participants who have not finished.
        inattentive: include participants who failed more attention checks than the study allows.
    """

    unfinished: bool = False
    inattentive: bool = False


@dataclass(frozen=True, kw_only=True)
class MethodMetrics:
    """Metrics of one method.

    Attributes:
        participants: number of included participants who judged its images in part one.
        r2g: share of the real images shown to these participants that they called generated.
        g2r: share of its generated images that they called real.
        jab: share of the best matches picked by all included participants in part two that are this method's.
    """

    method: str
    participants: int
    r2g: Proportion
    g2r: Proportion
    jab: Proportion


@dataclass(frozen=True, kw_only=True)
class StudyMetrics:
    """Results of a study.

    Attributes:
        started, finished: number of participants.
        inattentive: number of participants who failed more checks than allowed, finished or not.
        counted: number of included participants.
        answers: number of their answers, without attention checks.
        jab_test: test that all methods are picked equally often.
        jab_pairs: the same for every two methods.
    """

    started: int
    finished: int
    inattentive: int
    counted: int
    answers: int
    methods: tuple[MethodMetrics, ...]
    jab_test: UniformTest | None
    jab_pairs: tuple[PairTest, ...]


def study_metrics(study: Study, tallies: Iterable[Tally], inclusion: Inclusion) -> StudyMetrics:
    """Computes the metrics over the included participants."""
    people: dict[int, list[Tally]] = defaultdict(list)
    for tally in tallies:
        people[tally.number].append(tally)
    questions = len(plan(study, 1))
    finished = {n for n, own in people.items() if sum(t.count for t in own) == questions}
    inattentive = {n for n, own in people.items() if _failed_checks(own) > study.protocol.failed_checks_allowed}
    included = (set(people) if inclusion.unfinished else finished) - (set() if inclusion.inattentive else inattentive)
    kept = [t for n in sorted(included) for t in people[n] if t.kind not in (None, "check")]
    picks = {method: _count(kept, "comparison", method) for method in study.methods}
    return StudyMetrics(
        started=len(people),
        finished=len(finished),
        inattentive=len(inattentive),
        counted=len({t.number for t in kept}),
        answers=sum(t.count for t in kept),
        methods=tuple(_method_metrics(method, kept, picks) for method in study.methods),
        jab_test=uniform_test(picks),
        jab_pairs=tuple(pair_tests(picks)),
    )


def check_answers(study: Study, database: Database) -> None:
    """Checks every stored answer against the question that it answers.

    Raises:
        ValueError: for answers that are missing or that the study does not ask for: the database is damaged.
    """
    for number, rows in itertools.groupby(database.answers(), lambda row: row["number"]):
        own = list(rows)
        if not (isinstance(number, int) and number > 0 and _are_answers(study, number, own)):
            raise ValueError(
                f"{database.engine.url}: the answers of participant {number} are not answers to the study's questions: "
                "the database was damaged or changed; restore it from a copy"
            )


def _are_answers(study: Study, number: int, rows: Sequence[dict[str, Any]]) -> bool:
    trials, method = plan(study, number)[: len(rows)], assigned_method(study, number)
    asked = [(i, method, len(rows), t.part, t.kind, t.pair, t.expected) for i, t in enumerate(trials)]
    columns = ("position", "method", "answered", "part", "kind", "pair", "expected")
    if asked != [tuple(row[name] for name in columns) for row in rows]:
        return False
    answered_at = [row["answered_at"] for row in rows]
    if not all(isinstance(seconds, float) and 0 <= seconds < YEAR_5000 for seconds in answered_at):
        return False
    return all(row["pick"] in trial.picks for row, trial in zip(rows, trials, strict=True))


def _failed_checks(tallies: Sequence[Tally]) -> int:
    return sum(t.count for t in tallies if t.kind == "check" and t.pick != t.expected)


def _method_metrics(method: str, tallies: Sequence[Tally], picks: dict[str, int]) -> MethodMetrics:
    own = [t for t in tallies if t.method == method]
    return MethodMetrics(
        method=method,
        participants=len({t.number for t in own}),
        r2g=_picked(own, "real", "generated"),
        g2r=_picked(own, "generated", "real"),
        jab=proportion(picks[method], sum(picks.values())),
    )


def _picked(tallies: Sequence[Tally], kind: str, pick: str) -> Proportion:
    return proportion(_count(tallies, kind, pick), sum(t.count for t in tallies if t.kind == kind))


def _count(tallies: Sequence[Tally], kind: str, pick: str) -> int:
    return sum(t.count for t in tallies if (t.kind, t.pick) == (kind, pick))
