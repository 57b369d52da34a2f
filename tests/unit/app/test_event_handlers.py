"""Event handlers: the functions that Gradio calls, and messages for visitors."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from cfld.app.engine import Engine, Progress
from cfld.app.event_handlers import INTERNAL_ERROR, EventHandlers, status
from cfld.app.input_files import InputFiles
from cfld.app.mannequins import mannequin_image
from cfld.app.sessions import Sessions
from cfld.app.settings import Attention
from cfld.app.validation import Arguments
from cfld.pipeline import CFLDPipeline


class ExampleArguments(Arguments):
    source: Any
    blocks: str
    more: Any = None


@pytest.fixture
def handlers(model_folder: Path, tmp_path: Path) -> EventHandlers:
    return EventHandlers(Engine(CFLDPipeline.from_pretrained(model_folder)), Sessions(tmp_path.resolve()))


def attention(inputs: InputFiles, arguments: ExampleArguments) -> Attention:
    """Describes the task."""
    return Attention(sources=(inputs.add_image(arguments.source, "source"),))


def request_of(name: str) -> gr.Request:
    return gr.Request(session_hash=name)


def test_a_generator_has_the_arguments_as_parameters(handlers: EventHandlers) -> None:
    function = handlers.generator(ExampleArguments, attention, ["source", "blocks", "more"])
    parameters = inspect.signature(function).parameters
    assert list(parameters) == ["request", "source", "blocks", "more"]
    assert [name for name, one in parameters.items() if one.default is not inspect.Parameter.empty] == ["more"]
    assert function.__doc__ == "Describes the task."


def test_a_generator_ends_with_the_result(handlers: EventHandlers) -> None:
    file = handlers.sessions.uploads / "me.png"
    mannequin_image(5).save(file)
    function = handlers.generator(ExampleArguments, attention, ["source", "blocks", "more"])
    *_, (image, shown, settings) = function(request_of("one"), {"path": str(file)}, "last", None)
    (result,) = handlers.session(request_of("one")).results
    assert handlers.session(request_of("two")).results == []
    assert (image, settings) == (str(result.image_file), result.settings)
    assert shown["text"].startswith("Done in")
    assert settings["served"]["model"] == "mannequin"


def test_invalid_arguments_are_reported(handlers: EventHandlers) -> None:
    function = handlers.generator(ExampleArguments, attention, ["source", "blocks", "more"])
    given = function(request_of("one"), None, 3, None)
    _, shown, _ = next(given)
    assert shown["text"] == "Not generated: blocks: Input should be a valid string, got '3'"
    with pytest.raises(gr.Error, match="blocks: Input should be a valid string, got '3'"):
        next(given)


def test_messages_reveal_no_folder(handlers: EventHandlers) -> None:
    folder = handlers.input_files(request_of("one")).folder
    assert handlers.message(ValueError(f"{folder}/my photo.png: <broken>")) == "my photo.png: <broken>"
    with pytest.raises(gr.Error) as caught, handlers.user_errors():
        raise ValueError(f"{folder}/my photo.png: <broken>")
    assert caught.value.message == "my photo.png: &lt;broken&gt;"


def test_internal_errors_are_logged_only(handlers: EventHandlers, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(gr.Error) as caught, handlers.user_errors():
        raise KeyError("secret")
    assert caught.value.message == INTERNAL_ERROR
    assert "secret" in caplog.text


def test_status_of_a_step() -> None:
    assert status("Step 3 of 4", Progress(3, 4)) == {"text": "Step 3 of 4", "done": 3, "of": 4}
    assert status("Cancelled.") == {"text": "Cancelled.", "done": 0, "of": 0}
