"""Functions behind the page's events: they collect a visitor's files, run the engine and report errors."""

from __future__ import annotations

import html
import inspect
import logging
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import gradio as gr
from pydantic import ValidationError

from cfld.app.engine import Cancelled, Engine, Output, Progress
from cfld.app.input_files import InputFiles
from cfld.app.sessions import Session, Sessions
from cfld.app.settings import Settings
from cfld.app.validation import Arguments, first_error

logger = logging.getLogger(__name__)

INTERNAL_ERROR: Final = "An internal error occurred; the server's log has the details."
CANCELLED: Final = "Cancelled."

Update = tuple[Any, dict[str, Any], Any]
"""New values of a tab's outputs while it generates: image, status, settings."""

A = TypeVar("A", bound=Arguments)


class EventHandlers:
    """What all tabs share: the engine and the visitors' sessions."""

    def __init__(self, engine: Engine, sessions: Sessions) -> None:
        self.engine, self.sessions = engine, sessions

    def session(self, request: gr.Request) -> Session:
        return self.sessions.get(str(request.session_hash))

    def input_files(self, request: gr.Request) -> InputFiles:
        """A new folder in the visitor's session."""
        session = self.session(request)
        return InputFiles(session.new_folder(), session, self.sessions, self.engine.limits)

    def generator(
        self, task: str, arguments: type[A], make_settings: Callable[[InputFiles, A], Settings], names: Sequence[str]
    ) -> Callable[..., Iterator[Update]]:
        """The function behind a *Generate* button, which Python clients call by the name of its task.

        Args:
            arguments: validates the values that the page or a client sends.
            make_settings: the settings from valid arguments; adds the files that they name. Its docstring describes
                the task to clients.
            names: of the function's parameters, in the order of its inputs.
        """

        def generate(request: gr.Request, *values: Any) -> Iterator[Update]:
            given = dict(zip(names, values, strict=True))
            yield from self._generate(
                request,
                task,
                lambda inputs: make_settings(inputs, arguments.model_validate(given, context=self.engine.limits)),
            )

        optional = [name for name, field in arguments.model_fields.items() if not field.is_required()]
        kind, empty = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
        parameters = [inspect.Parameter(name, kind, default=None if name in optional else empty) for name in names]
        generate.__signature__ = inspect.Signature([inspect.Parameter("request", kind), *parameters])  # type: ignore[attr-defined]
        generate.__doc__ = make_settings.__doc__
        return generate

    def cancel(self, request: gr.Request, task: str) -> dict[str, Any]:
        self.session(request).cancel(task)
        return status(CANCELLED)

    @contextmanager
    def user_errors(self) -> Iterator[None]:
        """Turns exceptions into messages for the visitor, without a stack trace."""
        try:
            yield
        except (gr.Error, Cancelled):
            raise
        except ValueError as error:
            raise gr.Error(html.escape(self.message(error), quote=False), print_exception=False) from None
        except Exception:
            logger.exception("an event handler failed")
            raise gr.Error(INTERNAL_ERROR, print_exception=False) from None

    def message(self, error: ValueError) -> str:
        """The error in one sentence that reveals no folder of the server."""
        text = first_error(error) if isinstance(error, ValidationError) else str(error)
        return re.sub(rf"{re.escape(str(self.sessions.root))}/([^\s/]+/)*", "", text)

    def _generate(
        self, request: gr.Request, task: str, make_settings: Callable[[InputFiles], Settings]
    ) -> Iterator[Update]:
        cancel, start, inputs = threading.Event(), time.monotonic(), self.input_files(request)
        inputs.session.running[cancel] = task
        try:
            with self.user_errors():
                settings = replace(make_settings(inputs), served=self.engine.served)
                yield gr.skip(), status("Starting."), gr.skip()
                output = yield from self._progress(inputs, settings, cancel)
                result = inputs.session.save_result(inputs.folder, settings, output, inputs.notes)
                text = " ".join([f"Done in {time.monotonic() - start:.1f} s.", *inputs.notes])
                yield str(result.image_file), status(text), result.settings
        except Cancelled:
            yield gr.skip(), status(CANCELLED), gr.skip()
        finally:
            del inputs.session.running[cancel]

    def _progress(
        self, inputs: InputFiles, settings: Settings, cancel: threading.Event
    ) -> Generator[Update, None, Output]:
        previews = inputs.session.folder / "previews"
        previews.mkdir(exist_ok=True)
        steps = self.engine.generate(settings, inputs.folder, cancel)
        try:
            while True:
                yield _update(next(steps), previews / inputs.folder.name)
        except StopIteration as end:
            output: Output = end.value
            return output
        finally:
            steps.close()


def status(text: str, progress: Progress | None = None) -> dict[str, Any]:
    """Value of a tab's status line and progress bar."""
    return {"text": text, "done": progress.step if progress else 0, "of": progress.total if progress else 0}


def _update(progress: Progress, preview: Path) -> Update:
    image = gr.skip()
    if progress.preview is not None:
        image = f"{preview}-{progress.step}.jpg"
        progress.preview.save(image, quality=85)
    return image, status(f"Step {progress.step} of {progress.total}", progress), gr.skip()
