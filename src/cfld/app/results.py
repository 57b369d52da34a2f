"""The results of a session: a gallery, and the settings, command and files of the selected result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from cfld.app.event_handlers import EventHandlers
from cfld.app.sessions import Result
from cfld.app.tabs.controls import PRIVATE, thumbnails


def results_view(handlers: EventHandlers) -> Callable[[Any], None]:
    """Builds it, inside `gr.Blocks`; returns a function that makes it show the newest result after an event."""
    gr.Markdown("## Results", elem_id="results-title")
    gallery = thumbnails([], "Results of this session", "results-gallery")
    command = gr.Textbox(
        label="Command that generates the same image, run in the folder of the unpacked archive",
        elem_id="results-command",
        lines=2,
        interactive=False,
        buttons=["copy"],
    )
    with gr.Row():
        image = gr.DownloadButton("Image", elem_id="results-download-image", interactive=False)
        settings = gr.DownloadButton("Settings", elem_id="results-download-settings", interactive=False)
        archive = gr.DownloadButton("Archive with input files", elem_id="results-download-archive", interactive=False)
    with gr.Accordion("Settings of the result", open=False, elem_id="results-settings-accordion"):
        shown = gr.JSON(elem_id="results-settings", show_label=False)
    details = [command, shown, image, settings, archive]

    def newest(request: gr.Request) -> tuple[Any, ...]:
        results = handlers.session(request).results[::-1]
        images = [(str(result.image_file), f"{result.number}: {result.settings['task']}") for result in results]
        return gr.Gallery(images, selected_index=None), *_details(results[:1])

    def selected(data: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        return _details(handlers.session(request).results[::-1][data.index :])

    def show_newest_after(event: Any) -> None:
        event.success(newest, None, [gallery, *details], **PRIVATE)

    gallery.select(selected, None, details, **PRIVATE)
    return show_newest_after


def _details(results: Sequence[Result]) -> tuple[Any, ...]:
    """Values of the command, the settings and the three download buttons for the first of the results."""
    if not results:
        return "", None, *(gr.DownloadButton(value=None, interactive=False) for _ in range(3))
    files = (results[0].image_file, results[0].settings_file, results[0].archive)
    buttons = (gr.DownloadButton(value=str(file), interactive=True) for file in files)
    return results[0].settings["command"], results[0].settings, *buttons
