"""R2G, G2R and Jab of a made-up set of answers, against values computed by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cfld.study.database import Database, Tally
from cfld.study.definition import Study
from cfld.study.metrics import Inclusion, StudyMetrics, study_metrics
from cfld.study.plan import assigned_method, plan
from cfld.study.report import as_text, write_answers

FINISHED = Inclusion()

# A finished participant has 2 real, 2 generated, 1 check; 2 comparisons, 1 check (conftest.py).
MADE_UP = [
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


def counts(found: StudyMetrics) -> dict[str, tuple[tuple[int, int], ...]]:
    return {m.method: tuple((s.count, s.of) for s in (m.r2g, m.g2r, m.jab)) for m in found.methods}


def test_figures_by_hand(study: Study) -> None:
    found = study_metrics(study, MADE_UP, FINISHED)
    assert (found.started, found.finished, found.inattentive, found.counted, found.answers) == (5, 3, 1, 2, 12)
    assert counts(found) == {
        "ours": ((1, 2), (2, 2), (3, 4)),
        "theirs": ((0, 2), (1, 2), (0, 4)),
        "third": ((0, 0), (0, 0), (1, 4)),
    }
    assert [m.participants for m in found.methods] == [1, 1, 0]
    ours = found.methods[0]
    assert (ours.r2g.value, ours.g2r.value, ours.jab.value) == (0.5, 1.0, 0.75)
    # Jab 3, 0, 1 against 4/3 each: ((5/3)² + (4/3)² + (1/3)²) / (4/3) = 3.5
    assert found.jab_test is not None
    assert found.jab_test.statistic == pytest.approx(3.5)


def test_unfinished_participants_count_only_if_asked(study: Study) -> None:
    found = study_metrics(study, MADE_UP, Inclusion(unfinished=True))
    assert counts(found)["third"] == ((1, 1), (1, 1), (1, 4))
    assert (found.counted, found.answers) == (3, 14)


def test_inattentive_participants_count_only_if_asked(study: Study) -> None:
    found = study_metrics(study, MADE_UP, Inclusion(inattentive=True))
    assert counts(found)["ours"] == ((3, 4), (2, 4), (3, 6))
    assert counts(found)["theirs"] == ((0, 2), (1, 2), (2, 6))


def test_no_answers_at_all(study: Study) -> None:
    found = study_metrics(study, [], FINISHED)
    assert found.jab_test is None
    assert "no answers" in as_text(study, found)


def test_the_text_says_it_all(study: Study) -> None:
    text = as_text(study, study_metrics(study, MADE_UP, FINISHED))
    assert "5 participants started, 3 finished, 1 failed the attention checks; 2 included, with 12 answers" in text
    (ours,) = (line for line in text.splitlines() if line.startswith("ours  "))
    assert " ".join(ours.split()) == "ours 50.0% [ 9.5%, 90.5%] 2 100.0% [ 34.2%, 100.0%] 2 75.0% [ 30.1%, 95.4%] 4"
    assert "chi-square(2) = 3.50, p = 0.174" in text
    assert "ours and theirs: 3 against 0, p = 0.25, adjusted 0.75" in text


def test_from_the_database_and_as_csv(study: Study, database: Database, tmp_path: Path) -> None:
    """A participant who calls everything real, and picks the first method of the list."""
    participant = database.find_or_add("token", lambda number: assigned_method(study, number), 10)
    assert participant is not None
    for position, trial in enumerate(plan(study, 1)):
        pick = trial.expected or ("real" if trial.part == 1 else study.methods[0])
        assert database.record(participant, position, trial, pick)
    found = study_metrics(study, database.tallies(), FINISHED)
    assert counts(found)[participant.method][:2] == ((0, 2), (2, 2))
    assert counts(found)[study.methods[0]][2] == (2, 2)
    write_answers(database.answers(), study, tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == [trial.kind for trial in plan(study, 1)]
    assert rows[0]["method"] == participant.method
    assert rows[0]["target"] == study.pairs[plan(study, 1)[0].pair or 0].target
    assert rows[0]["answered_at"].endswith("+00:00")
