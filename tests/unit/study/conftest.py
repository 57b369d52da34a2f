from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cfld.study.answers import Answers
from cfld.study.definition import Study, load_study
from support.study import make_study


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 real and 2 generated images, 2 comparisons, a check in each part, 3 methods; tests leave it as it is."""
    return make_study(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def study(study_folder: Path) -> Study:
    return load_study(study_folder)


@pytest.fixture(scope="session")
def paper_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The protocol of the paper: 30 real, 30 generated."""
    return load_study(make_study(tmp_path_factory.mktemp("paper"), images=30, comparisons=30, checks=2, seed=5))


@pytest.fixture
def open_answers(study: Study, tmp_path: Path) -> Iterator[Callable[..., Answers]]:
    """Opens the database of a test, again and again."""
    opened: list[Answers] = []

    def open_database(fingerprint: str | None = None) -> Answers:
        opened.append(Answers(f"sqlite:///{tmp_path / 'answers.sqlite'}", fingerprint or study.fingerprint()))
        return opened[-1]

    yield open_database
    for answers in opened:
        answers.close()


@pytest.fixture
def answers(open_answers: Callable[..., Answers]) -> Answers:
    return open_answers()
