"""The metrics as text, and the answers as CSV."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from cfld.files import replacing
from cfld.study.definition import Study
from cfld.study.metrics import StudyMetrics
from cfld.study.statistics import CONFIDENCE, Proportion

COLUMNS: Final = ("number", "method", "position", "part", "kind", "source", "target", "pick", "expected", "answered_at")


def as_text(study: Study, metrics: StudyMetrics) -> str:
    """The output of `cfld study results`."""
    width = max(len("method"), *map(len, study.methods))
    lines = [
        f"{study.title}: {metrics.started} participants started, {metrics.finished} finished, {metrics.inattentive} "
        f"failed the attention checks; {metrics.counted} included, with {metrics.answers} answers",
        f"shares with {CONFIDENCE:.0%} Wilson intervals, and numbers of answers",
        "",
        f"{'method':<{width}}  {'R2G':<32}{'G2R':<32}{'Jab':<32}".rstrip(),
    ]
    for row in metrics.methods:
        lines.append(f"{row.method:<{width}}  {_cell(row.r2g)}{_cell(row.g2r)}{_cell(row.jab)}".rstrip())
    return "\n".join([*lines, *_tests(metrics)])


def write_answers(answers: Iterable[dict[str, Any]], study: Study, path: Path) -> None:
    """Writes one line per answer, attention checks included; `method` is the one judged in part one."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for row in answers:
            pair = None if row["pair"] is None else study.pairs[row["pair"]]
            when = datetime.datetime.fromtimestamp(row["answered_at"], datetime.timezone.utc)
            names = {"source": pair and pair.source, "target": pair and pair.target}
            writer.writerow(row | names | {"answered_at": when.isoformat(timespec="milliseconds")})


def _cell(share: Proportion) -> str:
    if share.value is None or share.low is None or share.high is None:
        return f"{'no answers':<32}"
    return f"{f'{share.value:6.1%} [{share.low:6.1%}, {share.high:6.1%}] {share.of}':<32}"


def _tests(metrics: StudyMetrics) -> list[str]:
    if metrics.jab_test is None:
        return []
    test = metrics.jab_test
    lines = [
        "",
        "Jab: are all methods picked equally often?",
        f"  chi-square({test.degrees_of_freedom}) = {test.statistic:.2f}, p = {test.p:.3g}",
        "Jab of two methods: exact binomial test, Holm-adjusted",
    ]
    for pair in metrics.jab_pairs:
        picks = f"{pair.first_picks} against {pair.second_picks}"
        lines.append(f"  {pair.first} and {pair.second}: {picks}, p = {pair.p:.3g}, adjusted {pair.p_holm:.3g}")
    return lines
