"""R2G, G2R and Jab of a made-up set of answers, against values computed by hand."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cfld.study.database import Database
from cfld.study.definition import Study
from cfld.study.metrics import Inclusion, StudyMetrics, check_answers, study_metrics
from cfld.study.plan import assigned_method, plan
from cfld.study.report import as_text, write_answers
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


@pytest.fixture
def answered(study: Study, database: Database) -> Database:
    """A database with the answers of three participants; the third has not finished."""
    for number in (1, 2, 3):
        participant = database.find_or_add(f"token {number}", lambda n: assigned_method(study, n), 10)
        assert participant is not None
        for position, trial in enumerate(plan(study, number)[: 5 if number == 3 else None]):
            assert database.record(participant, position, trial, trial.picks[number % 2])
    return database


def test_stored_answers_are_answers_to_the_questions(study: Study, answered: Database) -> None:
    check_answers(study, answered)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE cfld_answers SET pick = 'reak' WHERE number = 2 AND position = 1",
        "UPDATE cfld_answers SET pick = 'ours' WHERE part = 1",
        "UPDATE cfld_answers SET kind = 'generated' WHERE kind = 'real'",
        "UPDATE cfld_answers SET pair = pair + 1 WHERE number = 1",
        "UPDATE cfld_answers SET pair = -1 WHERE number = 1 AND position = 7",
        "UPDATE cfld_answers SET expected = NULL WHERE number = 3",
        "UPDATE cfld_answers SET part = 3 - part WHERE number = 1",
        "UPDATE cfld_answers SET position = 99 WHERE number = 1 AND position = 0",
        "DELETE FROM cfld_answers WHERE number = 3 AND position = 4",
        "DELETE FROM cfld_answers WHERE number = 3 AND position = 0",
        "UPDATE cfld_answers SET answered_at = 1e300 WHERE number = 1",
        "UPDATE cfld_answers SET answered_at = 'x' WHERE number = 1",
        "UPDATE cfld_participants SET method = 'unknown' WHERE number = 2",
        "UPDATE cfld_participants SET answered = 2 WHERE number = 2",
    ],
)
def test_a_changed_database_is_noticed(study: Study, answered: Database, damage: str) -> None:
    with answered.engine.begin() as connection:
        connection.exec_driver_sql(damage)
    with pytest.raises(ValueError, match=r"^sqlite\S+: the answers of participant [123] are not"):
        check_answers(study, answered)


def test_flipped_bits_change_no_result_silently(study: Study, answered: Database, tmp_path: Path) -> None:
    """Of a damaged file, the results are those of the whole one, or an error."""
    right = study_metrics(study, answered.tallies(), Inclusion(unfinished=True))
    answered.close()
    source = Path(str(answered.engine.url.database))
    whole, path, noticed = source.read_bytes(), tmp_path / "damaged.sqlite", 0
    rng = random.Random(0)
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            database = Database(f"sqlite:///{path}", study.fingerprint(), create=False)
            check_answers(study, database)
            write_answers(database.answers(), study, tmp_path / "answers.csv")
            assert study_metrics(study, database.tallies(), Inclusion(unfinished=True)) == right
            database.close()
        except ValueError:
            noticed += 1
    assert noticed > 0
