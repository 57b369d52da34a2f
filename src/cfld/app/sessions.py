"""What is kept for each visitor while they are there: their uploads, and their results with all that made them."""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cfld.app.engine import Drawn
from cfld.app.settings import Settings
from cfld.files import link_or_copy, save_json

logger = logging.getLogger(__name__)

KEPT: Final = 40
"""Results of one visitor; older ones are removed."""
COPIES_STAY: Final = 60.0
"""How long what Gradio keeps of an upload under its own name stays, in seconds."""
NAME_LENGTH: Final = 80
"""Of a file, in characters."""


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """How long files stay, in seconds.

    Attributes:
        grace: after a visitor has gone; a telephone that was put aside for a moment comes back.
        idle: after a visitor's last request.
        stray: uploads that no request has named.
    """

    grace: float = 60.0
    idle: float = 4 * 3600.0
    stray: float = 3600.0


@dataclass(frozen=True, eq=False)
class Result:
    """An image that was drawn, on the disk.

    Attributes:
        number: counted from 1 for each visitor.
        image: PNG.
        settings: JSON, also in `asked`.
        archive: a zip of both with the files that the settings name.
        asked: what made it.
        retargeting: the three poses side by side, where there are such.
    """

    number: int
    image: Path
    settings: Path
    archive: Path
    asked: dict[str, Any]
    retargeting: Path | None = None


@dataclass(eq=False)
class Session:
    """One visitor. Its methods may be called from several threads.

    Attributes:
        folder: where their files lie.
        results: in their order.
        uploads: files that they sent.
        stops: what ends each of the drawings that are being made, and its task.
        last_seen: when they last asked for anything.
        gone_since: when they closed the page.
    """

    folder: Path
    results: list[Result] = field(default_factory=list)
    uploads: set[Path] = field(default_factory=set)
    stops: dict[threading.Event, str] = field(default_factory=dict)
    last_seen: float = 0.0
    gone_since: float | None = None
    _folders: int = 0
    _drawn: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def new_folder(self) -> Path:
        """An empty folder, for the files of one drawing."""
        with self._lock:
            self._folders += 1
            folder = self.folder / str(self._folders)
        folder.mkdir(parents=True)
        return folder

    def keep(self, folder: Path, settings: Settings, drawn: Drawn, notes: Sequence[str] = ()) -> Result:
        """Writes what was drawn from the files in `folder` beside them."""
        with self._lock:
            self._drawn += 1
            number = self._drawn
        inputs, name = sorted(folder.iterdir()), f"cfld-{number:03d}"
        result = Result(
            number=number,
            image=free_path(folder, f"{name}.png"),
            settings=free_path(folder, f"{name}.json"),
            archive=free_path(folder, f"{name}.zip"),
            asked={**settings.to_dict(), "notes": list(notes)},
            retargeting=free_path(folder, f"{name}-poses.png") if drawn.retargeting else None,
        )
        drawn.image.save(result.image)
        save_json(result.asked, result.settings)
        if drawn.retargeting and result.retargeting:
            drawn.retargeting.save(result.retargeting)
        with zipfile.ZipFile(result.archive, "w") as archive:
            for file in (*inputs, result.image, result.settings):
                archive.write(file, file.name)
        self._add(result)
        return result

    def _add(self, result: Result) -> None:
        with self._lock:
            self.results.append(result)
            old, self.results[:] = self.results[:-KEPT], self.results[-KEPT:]
        for one in old:
            shutil.rmtree(one.image.parent, ignore_errors=True)

    def stop(self, task: str | None = None) -> None:
        """Ends what is being drawn for that task; none = for all."""
        for stop, of in list(self.stops.items()):
            if task in (None, of):
                stop.set()

    def remove(self) -> None:
        """Stops, and removes every file."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        for upload in self.uploads:
            shutil.rmtree(upload.parent, ignore_errors=True)


class Sessions:
    """All visitors, by what Gradio calls their sessions."""

    def __init__(self, root: Path, lifetime: Lifetime | None = None, now: Callable[[], float] = time.time) -> None:
        """
        Args:
            root: a folder that nobody else uses: `uploads` below it is for what visitors send, `page` for images of
                the page itself, `sessions` for the rest.
            now: seconds since 1970.
        """
        self.root, self._lifetime, self._now = root, lifetime or Lifetime(), now
        self.uploads, self.page, self._folders = root / "uploads", root / "page", root / "sessions"
        for folder in (self.uploads, self.page, self._folders):
            folder.mkdir(parents=True, exist_ok=True)
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def open(self, name: str) -> Session:
        """The visitor's session, a new one at their first request."""
        with self._lock:
            if name not in self._open:
                self._open[name] = Session(self._folders / secrets.token_urlsafe(16))
            session = self._open[name]
            session.last_seen, session.gone_since = self._now(), None
        return session

    def leave(self, name: str) -> None:
        """The visitor has closed the page: what is being drawn is stopped, files go after the time of grace."""
        with self._lock:
            session = self._open.get(name)
        if session is not None:
            session.stop()
            session.gone_since = self._now()

    def close(self) -> None:
        """Stops everything that is being drawn."""
        for session in list(self._open.values()):
            session.stop()

    def upload(self, session: Session, path: Any) -> Path:
        """The file that a request names, which belongs to this visitor from now on.

        Raises:
            ValueError: for anything that is no uploaded file, or has been removed.
        """
        file = Path(str(path)).resolve()
        if not isinstance(path, str) or not file.is_relative_to(self.root) or not file.is_file():
            raise ValueError("an uploaded file has gone, uploads are kept for a session only; upload it again")
        if file.is_relative_to(self.uploads):
            session.uploads.add(file)
        return file

    def sweep(self) -> None:
        """Removes the files of visitors who have gone, and uploads that nobody asks for."""
        with self._lock:
            over = [name for name, session in self._open.items() if self._is_over(session)]
            removed = [self._open.pop(name) for name in over]
            held = {upload.parent for session in self._open.values() for upload in list(session.uploads)}
        for session in removed:
            session.remove()
        self._remove_old(set(self.uploads.iterdir()) - held, self._lifetime.stray)
        self._remove_old(set(self.root.iterdir()) - {self.uploads, self.page, self._folders}, COPIES_STAY)
        if removed:
            logger.info("%d sessions ended, their files are removed", len(removed))

    def _remove_old(self, paths: Iterable[Path], seconds: float) -> None:
        for path in paths:
            with suppress(FileNotFoundError):  # Gradio's own temporary files come and go
                if self._now() - path.stat().st_mtime > seconds:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _is_over(self, session: Session) -> bool:
        gone = session.gone_since is not None and self._now() - session.gone_since >= self._lifetime.grace
        return gone or self._now() - session.last_seen > self._lifetime.idle


def bring(file: Path, folder: Path, called: Any = None) -> str:
    """Places an upload in a folder under the name that its owner knows it by, made harmless; returns that name.

    Args:
        called: what its owner calls it; none = its own name.
    """
    own = Path(str(called or file.name)).name[-NAME_LENGTH:]
    path = free_path(folder, re.sub(r"[^\w. ()+-]", "_", own).lstrip("-. ") or "upload")
    link_or_copy(file, path)
    return path.name


def free_path(folder: Path, name: str) -> Path:
    """A path in the folder that nothing has yet, called as asked or nearly so."""
    stem, suffix = Path(name).stem, Path(name).suffix
    names = itertools.chain([name], (f"{stem}-{number}{suffix}" for number in itertools.count(2)))
    return next(folder / one for one in names if not (folder / one).exists())
