"""The files of each visitor while their session lasts: uploads, and results with all the files they were made from.

Gradio's own means do not suffice. `gr.State` keeps its value for an hour after the page was closed, whatever its
`time_to_live`, and counts that hour from the last change instead of the closing; `delete_cache` removes files by their
age, also those that an open page still shows, and cannot tell whose they are.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import secrets
import shutil
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cfld.app.engine import Output
from cfld.app.limits import LimitReachedError, Limits
from cfld.app.live import LiveSource
from cfld.app.settings import Settings
from cfld.files import save_json

logger = logging.getLogger(__name__)

MAX_RESULTS: Final = 40
"""Results kept per session; older ones are removed."""
COPY_SECONDS: Final = 60.0
"""Lifetime of the copies of uploads that Gradio names by their content."""


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """Lifetime of files in seconds.

    Attributes:
        closed: of a session after its page was closed; a phone that was put aside for a moment may come back.
        idle: of a session after its last request.
        unused: of uploads that no request has named.
    """

    closed: float = 60.0
    idle: float = 4 * 3600.0
    unused: float = 3600.0


@dataclass(frozen=True, eq=False)
class Result:
    """A generated image on disk.

    Attributes:
        number: counted from 1 in each session.
        settings: JSON values of the settings that it was generated with.
        archive: zip with the image, its settings and the files that they name.
        retargeting_file: see `Output.retargeting`.
    """

    number: int
    settings: dict[str, Any]
    image_file: Path
    settings_file: Path
    archive: Path
    retargeting_file: Path | None = None


@dataclass(eq=False)
class Session:
    """One visitor's session. Its methods may be called from several threads.

    Attributes:
        folder: contains its files, except uploads.
        visitor: network address.
        results: in order of generation.
        live: the person that its page drags; None = none.
        last_request, closed_at: seconds since 1970; None while the page is open.
    """

    folder: Path
    visitor: str = ""
    results: list[Result] = field(default_factory=list)
    uploads: set[Path] = field(default_factory=set)
    live: LiveSource | None = None
    last_request: float = 0.0
    closed_at: float | None = None
    _running: dict[str, threading.Event] = field(default_factory=dict)
    _folder_numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _result_numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def is_busy(self) -> bool:
        """Whether a task is running."""
        return not all(stopped.is_set() for stopped in list(self._running.values()))

    @contextmanager
    def running(self, task: str) -> Iterator[None]:
        """Inside, `wait_until_stopped` of that task waits."""
        self._running[task] = stopped = threading.Event()
        try:
            yield
        finally:
            stopped.set()

    def wait_until_stopped(self, task: str) -> None:
        """Waits until a task that was cancelled has ended: at its next sampling step, a minute at most."""
        if (stopped := self._running.get(task)) is not None:
            stopped.wait(60.0)

    def new_folder(self) -> Path:
        """Creates an empty folder for the files of one request."""
        folder = self.folder / str(next(self._folder_numbers))
        folder.mkdir(parents=True)
        return folder

    def save_result(self, folder: Path, settings: Settings, output: Output, notes: Sequence[str] = ()) -> Result:
        """Writes an image that was generated from the files in `folder` beside them."""
        number = next(self._result_numbers)
        inputs, name = sorted(folder.iterdir()), f"cfld-{number:03d}"
        result = Result(
            number=number,
            settings={**settings.to_dict(), "notes": list(notes)},
            image_file=unused_path(folder, f"{name}.png"),
            settings_file=unused_path(folder, f"{name}.json"),
            archive=unused_path(folder, f"{name}.zip"),
            retargeting_file=unused_path(folder, f"{name}-poses.png") if output.retargeting else None,
        )
        output.image.save(result.image_file)
        save_json(result.settings, result.settings_file)
        if output.retargeting and result.retargeting_file:
            output.retargeting.save(result.retargeting_file)
        with zipfile.ZipFile(result.archive, "w") as archive:
            for file in (*inputs, result.image_file, result.settings_file):
                archive.write(file, file.name)
        self.results.append(result)
        while len(self.results) > MAX_RESULTS:
            shutil.rmtree(self.results.pop(0).image_file.parent, ignore_errors=True)
        return result

    def remove(self) -> None:
        """Removes all files."""
        for folder in (self.folder, *(upload.parent for upload in self.uploads)):
            shutil.rmtree(folder, ignore_errors=True)


class Sessions:
    """All sessions, by Gradio's session hash, and what their files take on disk."""

    def __init__(
        self,
        root: Path,
        lifetime: Lifetime | None = None,
        limits: Limits | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            root: folder for the sessions' exclusive use: uploads go to `uploads`, images of the page itself to
                `page`, all other files to `sessions` below it.
            now: clock in seconds since 1970.
        """
        self.root, self._lifetime, self.limits, self._now = root, lifetime or Lifetime(), limits or Limits(), now
        self.uploads, self.page, self._folders = root / "uploads", root / "page", root / "sessions"
        for folder in (self.uploads, self.page, self._folders):
            folder.mkdir(parents=True, exist_ok=True)
        self._sessions: dict[str, Session] = {}
        self._uploaders: dict[Path, str] = {}
        self._stored: Counter[str] = Counter()
        self._arriving: Counter[str] = Counter()
        self._lock = threading.RLock()

    def get(self, name: str, visitor: str = "") -> Session:
        """The session of that name; the first request creates it, and each request prolongs it.

        If the visitor has too many, the one that was not used for longest is closed.

        Raises:
            LimitReachedError: if there are too many sessions.
        """
        with self._lock:
            if name not in self._sessions:
                self._make_room(visitor)
                self._sessions[name] = Session(self._folders / secrets.token_urlsafe(16), visitor)
            session = self._sessions[name]
            session.last_request, session.closed_at = self._now(), None
        return session

    def find_live(self, token: str) -> LiveSource | None:
        """The source of that token, unless its session has expired or has another one; prolongs the session."""
        with self._lock:
            for session in self._sessions.values():
                if session.live is not None and session.live.token == token:
                    session.last_request = self._now()
                    return session.live
        return None

    def _make_room(self, visitor: str) -> None:
        own = [one for one in self._sessions.values() if one.visitor == visitor and one.closed_at is None]
        idle = [one for one in own if not one.is_busy]
        if len(own) >= self.limits.pages and idle:
            min(idle, key=lambda session: session.last_request).closed_at = -math.inf
        if len(self._sessions) >= self.limits.sessions:
            raise LimitReachedError("the server has too many visitors: try again in a few minutes")

    def close(self, name: str) -> None:
        """Marks a session whose page was closed; its files are removed after `Lifetime.closed`."""
        with self._lock:
            if session := self._sessions.get(name):
                session.closed_at = self._now()

    @contextmanager
    def arriving(self, visitor: str, size: int) -> Iterator[None]:
        """Inside, a visitor's upload of at most `size` bytes arrives. Raises as `check_room`."""
        with self._lock:
            self.check_room(visitor, size)
            self._arriving[visitor] += size
        try:
            yield
        finally:
            with self._lock:
                self._arriving -= Counter({visitor: size})
                self._stored[visitor] += size

    def check_room(self, visitor: str, size: int = 0) -> None:
        """
        Raises:
            LimitReachedError: if the files of the visitor, or of all of them, with `size` bytes more exceed the limit.
        """
        with self._lock:
            used = self._stored + self._arriving
        if used[visitor] + size > self.limits.visitor_megabytes * 2**20:
            raise LimitReachedError(
                f"your uploads and results take more than {self.limits.visitor_megabytes:g} MB: "
                "close or reload the page, and try again a minute later"
            )
        if used.total() + size > self.limits.total_megabytes * 2**20:
            raise LimitReachedError("the server has no room for more files: try again in a few minutes")

    def new_upload(self, visitor: str, name: str) -> Path:
        """A path in a new folder for an uploaded file."""
        folder = self.uploads / secrets.token_urlsafe(16)
        folder.mkdir()
        with self._lock:
            self._uploaders[folder] = visitor
        return folder / name

    def claim_upload(self, session: Session, path: Any) -> Path:
        """The uploaded file that a request names; from now on it is removed with the session.

        Raises:
            ValueError: if the path is not that of an uploaded file, or the file was removed.
        """
        file = Path(str(path)).resolve()
        if not isinstance(path, str) or not file.is_relative_to(self.root) or not file.is_file():
            raise ValueError("the uploaded file was removed with its session; upload it again")
        if file.is_relative_to(self.uploads):
            session.uploads.add(file)
        return file

    def remove_expired(self) -> list[str]:
        """Removes expired sessions with their files, and unused uploads; returns the names of the sessions."""
        with self._lock:
            expired = [name for name, session in self._sessions.items() if self._is_expired(session)]
            removed = [self._sessions.pop(name) for name in expired]
            used = {upload.parent for session in self._sessions.values() for upload in list(session.uploads)}
        for session in removed:
            session.remove()
        self._remove_older(set(self.uploads.iterdir()) - used, self._lifetime.unused)
        self._remove_older(set(self.root.iterdir()) - {self.uploads, self.page, self._folders}, COPY_SECONDS)
        self._measure()
        if removed:
            logger.info("%d sessions expired; their files were removed", len(removed))
        return expired

    def _measure(self) -> None:
        """Measures what is stored, by visitor; a file with several names counts as a share for each of them."""
        with self._lock:
            self._uploaders = {folder: visitor for folder, visitor in self._uploaders.items() if folder.exists()}
            owners = self._uploaders | {session.folder: session.visitor for session in self._sessions.values()}
        stored: Counter[str] = Counter()
        for folder, _, names in os.walk(self.root):
            owner = owners.get(self.root.joinpath(*Path(folder).relative_to(self.root).parts[:2]), "")
            for name in names:
                with suppress(FileNotFoundError):
                    status = Path(folder, name).stat()
                    stored[owner] += status.st_size // status.st_nlink
        with self._lock:
            self._stored = stored

    def _remove_older(self, paths: Iterable[Path], seconds: float) -> None:
        for path in paths:
            with suppress(FileNotFoundError):  # Gradio removes its own temporary files at any time
                if self._now() - path.stat().st_mtime > seconds:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _is_expired(self, session: Session) -> bool:
        closed = session.closed_at is not None and self._now() - session.closed_at >= self._lifetime.closed
        return closed or self._now() - session.last_request > self._lifetime.idle


def unused_path(folder: Path, name: str) -> Path:
    """A path in the folder that does not exist yet: `name`, or that with a number."""
    stem, suffix = Path(name).stem, Path(name).suffix
    names = itertools.chain([name], (f"{stem}-{number}{suffix}" for number in itertools.count(2)))
    return next(folder / name for name in names if not (folder / name).exists())
