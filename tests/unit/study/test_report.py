"""The report as text, and the answers as CSV."""

from __future__ import annotations

import csv
from pathlib import Path

from cfld.study.database import Database
from cfld.study.definition import Study
from cfld.study.metrics import Inclusion, study_metrics
from cfld.study.plan import assigned_method, plan
from cfld.study.report import as_text, write_answers
from support.study_site import MADE_UP


def test_text(study: Study) -> None:
    text = as_text(study, study_metrics(study, MADE_UP, Inclusion()))
    assert "5 participants started, 3 finished, 1 failed the attention checks; 2 included, with 12 answers" in text
    (ours,) = (line for line in text.splitlines() if line.startswith("ours  "))
    assert " ".join(ours.split()) == "ours 50.0% [ 9.5%, 90.5%] 2 100.0% [ 34.2%, 100.0%] 2 75.0% [ 30.1%, 95.4%] 4"
    assert "chi-square(2) = 3.50, p = 0.174" in text
    assert "ours and theirs: 3 against 0, p = 0.25, adjusted 0.75" in text


def test_csv(study: Study, database: Database, tmp_path: Path) -> None:
    participant = database.find_or_add("token", lambda number: assigned_method(study, number), 10)
    assert participant is not None
    for position, trial in enumerate(plan(study, 1)):
        assert database.record(participant, position, trial, trial.picks[0])
    write_answers(database.answers(), study, tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == [trial.kind for trial in plan(study, 1)]
    assert rows[0]["method"] == participant.method
    assert rows[0]["target"] == study.pairs[plan(study, 1)[0].pair or 0].target
    assert rows[0]["answered_at"].endswith("+00:00")
