from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from cfld.study.database import Database
from cfld.study.definition import Limits, Study, StudyFolder, load_study, open_study
from cfld.study.server import create_app
from support.study import make_study
from support.study_site import NO_LIMITS, MakeClient


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
def open_database(study: Study, tmp_path: Path) -> Iterator[Callable[..., Database]]:
    """Opens the database of a test, again and again."""
    opened: list[Database] = []

    def open_database(fingerprint: str | None = None) -> Database:
        opened.append(Database(f"sqlite:///{tmp_path / 'answers.sqlite'}", fingerprint or study.fingerprint()))
        return opened[-1]

    yield open_database
    for database in opened:
        database.close()


@pytest.fixture
def database(open_database: Callable[..., Database]) -> Database:
    return open_database()


@pytest.fixture(scope="session")
def opened(study_folder: Path) -> StudyFolder:
    return open_study(study_folder)


@pytest.fixture
def make_client(opened: StudyFolder, database: Database) -> MakeClient:
    """Makes visitors of one site; another protocol or other limits make another site on the same database."""
    sites: dict[str, Any] = {}

    def make(limits: Limits = NO_LIMITS, base: str = "http://testserver", **protocol: Any) -> TestClient:
        key = repr((limits, protocol))
        if key not in sites:
            study = replace(opened.study, protocol=replace(opened.study.protocol, **protocol))
            sites[key] = create_app(replace(opened, study=study), database, limits)
        return TestClient(sites[key], base_url=base, follow_redirects=False)

    return make


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    return make_client()
