"""`cfld study`: the user study of section 4.4 (R2G, G2R, Jab) as a web site.

cfld study create --data data/mannequin --method ours=outputs/ours --method pidm=outputs/pidm --out studies/first
cfld study create --sources in/ --real true/ --method ours=outputs/ours --method pidm=outputs/pidm --out studies/second
cfld study serve --study studies/first/study.json
cfld study results --study studies/first/study.json
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, UseAppendAction, subcommand

from cfld.claims import Input, Output
from cfld.cli.options import Json, Split, extra
from cfld.ranges import Count, Port, Side
from cfld.readers.text import read_text
from cfld.study.definition import Limits, Protocol, StudyFolder, open_study

if TYPE_CHECKING:
    from cfld.study.create import Method
    from cfld.study.database import Database
    from cfld.study.pairs import PairImages


@dataclass(frozen=True, kw_only=True)
class Create:
    """Create a study from a data set, or from folders of images, and a folder of generated images for each method."""

    out: Annotated[Path, Output("whole folder")]
    """Folder to write; new or empty."""
    method: Annotated[UseAppendAction[tuple[str, ...]], Input()]
    """NAME=FOLDER: a method and its generated images; NAME=FOLDER/PATTERN if their names do not follow --pattern.
    Repeat it for each method."""
    data: Path | None = None
    """Data set folder with the pairs and their images (see cfld data)."""
    split: Split = "test"
    limit: Count | None = None
    """Use only the first pairs of --data, as cfld generate --limit does."""
    sources: Path | None = None
    """Without --data: folder of source images."""
    real: Path | None = None
    """Without --data: folder of ground-truth images."""
    poses: Path | None = None
    """Without --data: folder of pose images or keypoint JSON files, named as the ground-truth images."""
    pattern: str = "{source}_to_{target}.png"
    """File names of the generated images, by default those of cfld generate (see cfld evaluate)."""
    size: tuple[Side, Side] | None = None
    """Height and width of all images; None = those of the data set's frame, or of the first ground-truth image."""
    title: str = "Images of people"
    """Title of the first page."""
    introduction: Path | None = None
    """Text file for the first page: who runs the study, its purpose, a contact. Empty lines separate paragraphs."""
    protocol: OmitArgPrefixes[Protocol] = field(default_factory=Protocol)
    """What every participant does."""

    def run(self) -> None:
        from cfld.study.create import create_study, parse_methods

        methods = parse_methods(self.method, self.pattern)
        introduction = "" if self.introduction is None else read_text(self.introduction)
        images = self._pair_images(next(iter(methods.values())))
        created = create_study(self.out, images, methods, self.protocol, title=self.title, introduction=introduction)
        pairs = len(created.study.pairs)
        if pairs < 2 * self.protocol.images + self.protocol.comparisons:
            print(f"{pairs} pairs are fewer than the questions; some pairs are used in several questions")
        print(f"{pairs} pairs, {len(methods)} methods; password for the results: {created.keys.results}")
        print(self.out)

    def _pair_images(self, first: Method) -> PairImages:
        from cfld.study.pairs import pairs_of_dataset, pairs_of_folders

        if self.data is not None and self.sources is None and self.real is None:
            return pairs_of_dataset(self.data, self.split, self.limit, self.size)
        if self.data is None and self.sources is not None and self.real is not None:
            return pairs_of_folders(self.sources, self.real, self.poses, first.folder, first.pattern, self.size)
        raise ValueError("give --data, or --sources and --real")


@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """Options of the commands that open the answers."""

    study: Path
    """Folder of the study, or its study.json."""
    database: str | None = None
    """Where answers are stored: sqlite:///FILE or postgresql://USER@HOST/NAME; None = answers.sqlite beside
    study.json."""

    @extra("study")
    def reads(self) -> list[Path]:
        """The study and its database, which is no `Output`: rows are added to it once it is found to be the study's."""
        from cfld.study.database import sqlite_files

        folder = self.study if self.study.is_dir() else self.study.parent
        return [folder] if self.database is None else [folder, *sqlite_files(self.database)]

    def open_database(self, opened: StudyFolder, create: bool) -> Database:
        from cfld.study.database import Database

        url = self.database or f"sqlite:///{opened.path / 'answers.sqlite'}"
        return Database(url, opened.study.fingerprint(), create)


@dataclass(frozen=True, kw_only=True)
class Serve(AnswerOptions):
    """Run the study's web site until stopped. Run it again to continue: all answers are kept, even after a crash."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all addresses of this machine."""
    port: Port = 8000
    """Port; 0 for any free port."""
    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "::1")
    """Addresses and networks of reverse proxies, whose X-Forwarded-For and X-Forwarded-Proto headers are believed; by
    default those on this machine."""
    limits: OmitArgPrefixes[Limits] = field(default_factory=Limits)

    @extra("study")
    def run(self) -> None:
        from cfld.study.server import BACKLOG, MAX_CONNECTIONS, create_app
        from cfld.web.listening import listen, url_host
        from cfld.web.serving import make_server

        opened = open_study(self.study)
        database = self.open_database(opened, create=True)
        server = make_server(create_app(opened, database, self.limits), MAX_CONNECTIONS, self.trusted_proxies)
        listening = listen(self.host, self.port, BACKLOG)
        address = f"http://{url_host(self.host)}:{listening.getsockname()[1]}"
        print(f"study    {address}/", f"results  {address}/results", f"password {opened.keys.results}", sep="\n")
        print("Press Ctrl-C to stop.", flush=True)
        server.run(sockets=[listening])
        database.close()


@dataclass(frozen=True, kw_only=True)
class Results(AnswerOptions):
    """Print R2G, G2R and Jab of each method with 95 % intervals, and tests for differences in Jab."""

    include_unfinished: bool = False
    """Include participants who have not finished."""
    include_inattentive: bool = False
    """Include participants who failed the attention checks."""
    answers: Annotated[Path | None, Output("file")] = None
    """Also write every answer to this CSV file."""
    json: Json = False

    @extra("study")
    def run(self) -> None:
        from cfld.study.metrics import Inclusion, check_answers, study_metrics
        from cfld.study.report import as_text, write_answers

        opened = open_study(self.study)
        database = self.open_database(opened, create=False)
        check_answers(opened.study, database)
        inclusion = Inclusion(unfinished=self.include_unfinished, inattentive=self.include_inattentive)
        metrics = study_metrics(opened.study, database.tallies(), inclusion)
        if self.answers is not None:
            write_answers(database.answers(), opened.study, self.answers)
        database.close()
        print(json.dumps(asdict(metrics), indent=2) if self.json else as_text(opened.study, metrics))


Study = Annotated[
    Create | Serve | Results,
    subcommand("study", description="Run the paper's user study (section 4.4) as a web site."),
]
"""The subcommands of `cfld study`."""
