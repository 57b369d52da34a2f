"""Between Gradio's events and the engine: a visitor's files are brought together, what went wrong is told in words."""

from __future__ import annotations

import html
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import gradio as gr
from PIL import Image

from cfld.app.engine import Drawn, Engine, Step, Stopped
from cfld.app.joint_editor import from_value
from cfld.app.limits import Limits
from cfld.app.sessions import Result, Session, Sessions, bring, free_path
from cfld.app.settings import POSE, Settings
from cfld.app.uploads import look_at
from cfld.poses.keypoints import Keypoints, save_keypoints

logger = logging.getLogger(__name__)

OUR_FAULT: Final = "Something went wrong in the app; it is noted in the server's log."
CANCELLED: Final = "Cancelled."

Update = tuple[Any, dict[str, Any], Any]
"""What an event that draws puts on the page: the image, the status, the settings."""


@dataclass(frozen=True)
class Inputs:
    """The files of one drawing, brought together in one folder.

    Attributes:
        folder: new, and theirs alone.
        notes: what was done to them that their owner may not expect.
    """

    folder: Path
    session: Session
    sessions: Sessions
    limits: Limits
    notes: list[str] = field(default_factory=list)

    def image(self, sent: Any, what: str) -> str:
        """Takes an image over; returns its name in the folder.

        Raises:
            ValueError: when there is none, or it is not taken; `what` says which.
        """
        if sent is None:
            raise ValueError(f"the {what} is missing: upload an image, or take an example")
        name = self.file(sent)
        try:
            notes = look_at(self.folder / name, self.limits)
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from None
        self.notes.extend(f"{name}: {note}" for note in notes)
        return name

    def pose(self, sent: Any) -> Keypoints:
        """Takes a keypoint dictionary over as the file `POSE`."""
        pose = from_value(sent)
        save_keypoints(pose, self.folder / POSE)
        return pose

    def mask(self, image: Image.Image) -> str:
        path = free_path(self.folder, "mask.png")
        image.save(path)
        return path.name

    def upload(self, sent: Any) -> Path:
        """The file that Gradio's description of an upload means."""
        return self.sessions.upload(self.session, sent.get("path") if isinstance(sent, dict) else sent)

    def file(self, sent: Any) -> str:
        """Takes a file over; returns its name in the folder."""
        return bring(self.upload(sent), self.folder, sent.get("orig_name") if isinstance(sent, dict) else None)


class EventHandlers:
    """What the page's events call."""

    def __init__(self, engine: Engine, sessions: Sessions) -> None:
        self.engine, self.sessions = engine, sessions

    def visitor(self, request: gr.Request) -> Session:
        return self.sessions.open(str(request.session_hash))

    def inputs(self, request: gr.Request) -> Inputs:
        """A new folder for the visitor."""
        session = self.visitor(request)
        return Inputs(session.new_folder(), session, self.sessions, self.engine.limits)

    def draw(self, request: gr.Request, task: str, ask: Callable[[Inputs], Settings]) -> Iterator[Update]:
        """Draws, a step an update, and keeps the result for the visitor.

        Args:
            ask: makes the settings, and takes the files over that they name.
        """
        stop, begun = threading.Event(), time.monotonic()
        inputs = self.inputs(request)
        inputs.session.stops[stop] = task
        try:
            with user_errors(inputs.folder):
                settings = ask(inputs)
                drawn = yield from self._steps(inputs, settings, stop)
                result = inputs.session.keep(inputs.folder, settings, drawn, inputs.notes)
                yield _finished(result, time.monotonic() - begun, inputs.notes)
        except Stopped:
            yield gr.skip(), status(CANCELLED), gr.skip()
        finally:
            del inputs.session.stops[stop]

    def cancel(self, request: gr.Request, task: str) -> dict[str, Any]:
        self.visitor(request).stop(task)
        return status(CANCELLED)

    def _steps(self, inputs: Inputs, settings: Settings, stop: threading.Event) -> Generator[Update, None, Drawn]:
        previews = inputs.session.folder / "previews"
        previews.mkdir(exist_ok=True)
        yield gr.skip(), status("Starting."), gr.skip()
        steps = self.engine.draw(settings, inputs.folder, stop)
        try:
            while True:
                yield _on_the_way(next(steps), previews / inputs.folder.name)
        except StopIteration as end:
            drawn: Drawn = end.value
            return drawn
        finally:
            steps.close()


def status(text: str, step: Step | None = None) -> dict[str, Any]:
    """What the page shows of how far a drawing has come."""
    return {"text": text, "done": step.done if step else 0, "of": step.of if step else 0}


@contextmanager
def user_errors(folder: Path | None = None) -> Iterator[None]:
    """Turns what is raised into a message for the visitor, without a stack trace.

    Args:
        folder: its path is left out of messages.
    """
    try:
        yield
    except (gr.Error, Stopped):
        raise
    except ValueError as error:
        words = str(error) if folder is None else str(error).replace(f"{folder}/", "")
        raise gr.Error(html.escape(words, quote=False), print_exception=False) from None
    except Exception:
        logger.exception("an event failed")
        raise gr.Error(OUR_FAULT, print_exception=False) from None


def _on_the_way(step: Step, preview: Path) -> Update:
    shown = gr.skip()
    if step.preview is not None:
        shown = f"{preview}-{step.done}.jpg"
        step.preview.save(shown, quality=85)
    return shown, status(f"Step {step.done} of {step.of}", step), gr.skip()


def _finished(result: Result, seconds: float, notes: list[str]) -> Update:
    text = " ".join([f"Done in {seconds:.1f} s.", *notes])
    return str(result.image), status(text), result.asked
