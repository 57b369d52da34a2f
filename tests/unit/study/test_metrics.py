"""R2G, G2R and Jab of a made-up set of answers, against values computed by hand."""

from __future__ import annotations

import pytest

from cfld.study.database import Database
from cfld.study.definition import Study
from cfld.study.metrics import Inclusion, StudyMetrics, study_metrics
from cfld.study.plan import assigned_method, plan
from cfld.study.report import as_text
from support.study_site import MADE_UP

FINISHED = Inclusion()


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


def test_metrics_of_stored_answers(study: Study, database: Database) -> None:
    """A participant who calls everything real, and picks the first method of the list."""
    participant = database.find_or_add("token", lambda number: assigned_method(study, number), 10)
    assert participant is not None
    for position, trial in enumerate(plan(study, 1)):
        pick = trial.expected or ("real" if trial.part == 1 else study.methods[0])
        assert database.record(participant, position, trial, pick)
    found = study_metrics(study, database.tallies(), FINISHED)
    assert counts(found)[participant.method][:2] == ((0, 2), (2, 2))
    assert counts(found)[study.methods[0]][2] == (2, 2)
