"""The files of each visitor while their session lasts: uploads, and results with all the files they were made from.

Gradio's own means do not suffice. `gr.State` keeps its value for an hour after the page was closed, whatever its
`time_to_live`, and counts that hour from the last change instead of the closing; `delete_cache` removes files by their
age, also those that an open page still shows, and cannot tell whose they are.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cfld.app.engine import Output
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
        results: in order of generation.
        last_request, closed_at: seconds since 1970; None while the page is open.
    """

    folder: Path
    results: list[Result] = field(default_factory=list)
    uploads: set[Path] = field(default_factory=set)
    last_request: float = 0.0
    closed_at: float | None = None
    _running: dict[str, threading.Event] = field(default_factory=dict)
    _folder_numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _result_numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

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
    """All sessions, by Gradio's session hash."""

    def __init__(self, root: Path, lifetime: Lifetime | None = None, now: Callable[[], float] = time.time) -> None:
        """
        Args:
            root: folder for the sessions' exclusive use: uploads go to `uploads`, images of the page itself to
                `page`, all other files to `sessions` below it.
            now: clock in seconds since 1970.
        """
        self.root, self._lifetime, self._now = root, lifetime or Lifetime(), now
        self.uploads, self.page, self._folders = root / "uploads", root / "page", root / "sessions"
        for folder in (self.uploads, self.page, self._folders):
            folder.mkdir(parents=True, exist_ok=True)
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Session:
        """The session of that name; the first request creates it, and each request prolongs it."""
        with self._lock:
            session = self._sessions.setdefault(name, Session(self._folders / secrets.token_urlsafe(16)))
            session.last_request, session.closed_at = self._now(), None
        return session

    def close(self, name: str) -> None:
        """Marks a session whose page was closed; its files are removed after `Lifetime.closed`."""
        with self._lock:
            if session := self._sessions.get(name):
                session.closed_at = self._now()

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

    def remove_expired(self) -> None:
        """Removes expired sessions with their files, and unused uploads."""
        with self._lock:
            expired = [name for name, session in self._sessions.items() if self._is_expired(session)]
            removed = [self._sessions.pop(name) for name in expired]
            used = {upload.parent for session in self._sessions.values() for upload in list(session.uploads)}
        for session in removed:
            session.remove()
        self._remove_older(set(self.uploads.iterdir()) - used, self._lifetime.unused)
        self._remove_older(set(self.root.iterdir()) - {self.uploads, self.page, self._folders}, COPY_SECONDS)
        if removed:
            logger.info("%d sessions expired; their files were removed", len(removed))

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
