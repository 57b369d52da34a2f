"""Functions behind the page's events: they collect a visitor's files, run the engine and report errors."""

from __future__ import annotations

import html
import inspect
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar

import gradio as gr
from pydantic import ValidationError

from cfld.app.engine import Cancelled, Engine, Progress
from cfld.app.input_files import InputFiles
from cfld.app.sessions import Session, Sessions
from cfld.app.settings import Settings
from cfld.app.validation import Arguments, first_error
from cfld.web.rate_limit import client_address

logger = logging.getLogger(__name__)

INTERNAL_ERROR: Final = "An internal error occurred; the server's log has the details."
CANCELLED: Final = "Cancelled."

A = TypeVar("A", bound=Arguments)


class EventHandlers:
    """What all tabs share: the engine and the visitors' sessions."""

    def __init__(self, engine: Engine, sessions: Sessions) -> None:
        self.engine, self.sessions = engine, sessions

    def session(self, request: gr.Request) -> Session:
        visitor = client_address(request.request.scope) if request.request else ""
        return self.sessions.get(str(request.session_hash), visitor)

    def close_session(self, request: gr.Request) -> None:
        self.sessions.close(str(request.session_hash))

    def input_files(self, request: gr.Request) -> InputFiles:
        """A new folder in the visitor's session."""
        session = self.session(request)
        self.sessions.check_room(session.visitor)
        return InputFiles(session.new_folder(), session, self.sessions, self.engine.uploads)

    def generator(
        self, arguments: type[A], make_settings: Callable[[InputFiles, A], Settings], names: Sequence[str]
    ) -> Callable[..., Iterator[tuple[Any, ...]]]:
        """The function behind a *Generate* button, which Python clients can call as well.

        It yields new values of the tab's outputs: image, status, settings.

        Args:
            arguments: validates the values that the page or a client sends.
            make_settings: the settings from valid arguments; adds the files that they name. Its docstring describes
                the task to clients.
            names: of the function's parameters, in the order of its inputs.
        """

        def generate(request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
            try:
                yield from run(request, values)
            except gr.Error as error:
                yield gr.skip(), status(f"Not generated: {html.unescape(error.message)}"), gr.skip()
                raise

        def run(request: gr.Request, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
            start = time.monotonic()
            with self.user_errors():
                inputs = self.input_files(request)
            with self.user_errors(), inputs.session.running(make_settings.__name__):
                given = arguments.model_validate(dict(zip(names, values, strict=True)), context=self.engine.limits)
                settings = replace(make_settings(inputs, given), served=self.engine.served)
                yield gr.skip(), status("Starting."), gr.skip()
                with closing(self.engine.generate(settings, inputs.folder)) as steps:
                    for step in steps:
                        if isinstance(step, Progress):
                            text = f"Step {step.step} of {step.total}"
                            yield _preview(step, inputs), status(text, step), gr.skip()
                        else:
                            result = inputs.session.save_result(inputs.folder, settings, step, inputs.notes)
                text = " ".join([f"Done in {time.monotonic() - start:.1f} s.", *inputs.notes])
                yield str(result.image_file), status(text), result.settings

        optional = [name for name, field in arguments.model_fields.items() if not field.is_required()]
        kind, empty = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
        parameters = [inspect.Parameter(name, kind, default=None if name in optional else empty) for name in names]
        generate.__signature__ = inspect.Signature([inspect.Parameter("request", kind), *parameters])  # type: ignore[attr-defined]
        generate.__doc__ = make_settings.__doc__
        return generate

    @contextmanager
    def user_errors(self) -> Iterator[None]:
        """Turns exceptions into messages for the visitor, without a stack trace."""
        try:
            yield
        except gr.Error:
            raise
        except Cancelled:
            raise gr.Error(CANCELLED, print_exception=False) from None
        except (ValueError, FloatingPointError) as error:
            raise gr.Error(html.escape(self.message(error), quote=False), print_exception=False) from None
        except Exception:
            logger.exception("an event handler failed")
            raise gr.Error(INTERNAL_ERROR, print_exception=False) from None

    def message(self, error: Exception) -> str:
        """The error in one sentence that reveals no folder of the server."""
        text = first_error(error) if isinstance(error, ValidationError) else str(error)
        return re.sub(rf"{re.escape(str(self.sessions.root))}/([^\s/]+/)*", "", text)


def status(text: str, progress: Progress | None = None) -> dict[str, Any]:
    """Value of a tab's status line and progress bar."""
    return {"text": text, "done": progress.step if progress else 0, "of": progress.total if progress else 0}


def _preview(progress: Progress, inputs: InputFiles) -> Any:
    if progress.preview is None:
        return gr.skip()
    file = inputs.session.folder / f"preview-{inputs.folder.name}-{progress.step}.jpg"
    progress.preview.save(file, quality=85)
    return str(file)
