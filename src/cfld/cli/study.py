"""`cfld study`: ask people. The user study of section 4.4 (R2G, G2R, Jab) as a site.

cfld study create --data data/mannequin --method ours=outputs/ours --method pidm=outputs/pidm --out studies/first
cfld study create --sources in/ --real true/ --method ours=outputs/ours --method pidm=outputs/pidm --out studies/second
cfld study serve --study studies/first/study.json
cfld study results --study studies/first/study.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, UseAppendAction, subcommand

from cfld.cli.options import Json, Split
from cfld.study.definition import Protocol

if TYPE_CHECKING:
    from cfld.study.answers import Answers
    from cfld.study.create import Method
    from cfld.study.definition import OpenStudy
    from cfld.study.material import Material


@dataclass(frozen=True, kw_only=True)
class Create:
    """Make a study from a data set, or from folders of images, and a folder of results for each method."""

    out: Path
    """The folder to write."""
    method: UseAppendAction[tuple[str, ...]]
    """NAME=FOLDER: a method and its results; NAME=FOLDER/PATTERN where they are named in another way than --pattern.
    Give it once a method."""
    data: Path | None = None
    """A data set folder, whose pairs and images are taken (see cfld data)."""
    split: Split = "test"
    limit: int | None = None
    """Take only the first so many pairs of --data, as cfld generate --limit draws them."""
    sources: Path | None = None
    """Without --data: a folder of source images."""
    real: Path | None = None
    """Without --data: a folder of the true images."""
    poses: Path | None = None
    """Without --data: a folder of images of poses, or of keypoint JSON files, named as the true images."""
    pattern: str = "{source}_to_{target}.png"
    """How results are named; the default is what cfld generate writes (see cfld evaluate)."""
    size: tuple[int, int] | None = None
    """Height and width of all images; by default the data set's frame, or that of the first true image."""
    title: str = "Images of people"
    """What participants read above the first page."""
    introduction: Path | None = None
    """A text file for the first page: who asks, what for, whom to write to. Empty lines part paragraphs."""
    protocol: OmitArgPrefixes[Protocol] = field(default_factory=Protocol)
    """What participants do."""

    def run(self) -> None:
        from cfld.study.create import create_study, parse_methods

        methods = parse_methods(self.method, self.pattern)
        introduction = "" if self.introduction is None else self.introduction.read_text(encoding="utf-8")
        created = create_study(
            self.out,
            self._material(next(iter(methods.values()))),
            methods,
            self.protocol,
            title=self.title,
            introduction=introduction,
        )
        if created.shared:
            print(f"{created.pairs} pairs are fewer than the questions; some pairs are asked after more than once")
        print(f"{created.pairs} pairs, {len(methods)} methods; password to the results: {created.keys.results}")
        print(self.out)

    def _material(self, first: Method) -> Material:
        from cfld.study.material import from_dataset, from_folders

        if (self.data is None) == (self.sources is None or self.real is None):
            raise ValueError("give --data, or --sources and --real")
        if self.data is None:
            assert self.sources is not None
            assert self.real is not None
            return from_folders(self.sources, self.real, self.poses, first.folder, first.pattern, self.size)
        return from_dataset(self.data, self.split, self.limit, self.size)


@dataclass(frozen=True, kw_only=True)
class Serve:
    """Run the study's site until it is stopped. Stopped or killed, the same command goes on with every answer."""

    study: Path
    """The study's folder, or study.json in it."""
    database: str | None = None
    """Where answers go: sqlite:///FILE or postgresql://USER@HOST/NAME; by default answers.sqlite beside study.json."""
    host: str = "127.0.0.1"
    """The address to listen at; 0.0.0.0 for all of this machine's."""
    port: int = 8000
    """The port; 0 for a free one."""
    behind_proxy: bool = False
    """A reverse proxy on this machine passes requests on, with X-Forwarded-For and X-Forwarded-Proto."""
    requests: int = 3000
    """Requests a minute that one network address may make."""
    starts: int = 300
    """New participants an hour from one network address."""
    participants: int = 10_000
    """When so many have begun, the study is full."""

    def run(self) -> None:
        from cfld.study.definition import open_study

        opened = open_study(self.study)
        with study_extra():
            from cfld.study.middleware import Limits
            from cfld.study.server import BACKLOG, create_app, serve
            from cfld.web.listening import listen, url_host
        limits = Limits(requests=self.requests, starts=self.starts, participants=self.participants)
        answers = open_answers(opened, self.database)
        listening = listen(self.host, self.port, BACKLOG)
        address = f"http://{url_host(self.host)}:{listening.getsockname()[1]}"
        print(f"study    {address}/", f"results  {address}/results", f"password {opened.keys.results}", sep="\n")
        print("Ctrl-C stops it.", flush=True)
        serve(create_app(opened, answers, limits), listening, self.behind_proxy)
        answers.close()


@dataclass(frozen=True, kw_only=True)
class Results:
    """Print the figures: R2G, G2R and Jab of each method with 95 % intervals, and whether Jab differs."""

    study: Path
    """The study's folder, or study.json in it."""
    database: str | None = None
    """As in cfld study serve."""
    include_unfinished: bool = False
    """Count participants who have not finished, too."""
    include_inattentive: bool = False
    """Count participants who failed the attention checks, too."""
    answers: Path | None = None
    """Write every single answer to this CSV file, too."""
    json: Json = False

    def run(self) -> None:
        from cfld.study.definition import open_study

        opened = open_study(self.study)
        with study_extra():
            from cfld.study.figures import Rules, figures
            from cfld.study.report import as_text, write_answers
        database = open_answers(opened, self.database, must_exist=True)
        rules = Rules(unfinished=self.include_unfinished, inattentive=self.include_inattentive)
        found = figures(opened.study, database.tallies(), rules)
        if self.answers is not None:
            write_answers(database.rows(), opened.study, self.answers)
        database.close()
        print(json.dumps(asdict(found), indent=2) if self.json else as_text(opened.study, found))


Study = Annotated[
    Annotated[Create, subcommand("create")]
    | Annotated[Serve, subcommand("serve")]
    | Annotated[Results, subcommand("results")],
    subcommand("study", description="Ask people: the user study of the paper as a site."),
]
"""What `cfld study` takes; one member of the top level's union."""


@contextmanager
def study_extra() -> Iterator[None]:
    """Says how to get what the extra brings, where it is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(f"cfld study needs the package {error.name}: pip install 'cfld[study]'") from None


def open_answers(opened: OpenStudy, database: str | None, must_exist: bool = False) -> Answers:
    """The study's database; by default `answers.sqlite` in its folder."""
    with study_extra():
        from cfld.study.answers import Answers

    file = opened.folder / "answers.sqlite"
    if database is None and must_exist and not file.exists():
        raise ValueError(f"{file}: no answers yet; cfld study serve makes it")
    return Answers(database or f"sqlite:///{file}", opened.study.fingerprint())
