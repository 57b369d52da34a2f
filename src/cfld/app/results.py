"""The results of a session: a gallery, and the settings, command and files of the selected result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from cfld.app.event_handlers import EventHandlers
from cfld.app.sessions import Result
from cfld.app.tabs.controls import PRIVATE, thumbnails


@dataclass(frozen=True)
class Results:
    """The part of the page below the tabs."""

    handlers: EventHandlers
    gallery: gr.Gallery
    details: list[Any]

    def show_newest_after(self, event: Any) -> None:
        """Shows the newest result whenever the event succeeds."""
        event.success(self.newest, None, [self.gallery, *self.details], **PRIVATE)

    def newest(self, request: gr.Request) -> tuple[Any, ...]:
        """All results of the session, newest first, and the details of the first."""
        results = self._newest_first(request)
        images = [(str(result.image_file), f"{result.number}: {result.settings['task']}") for result in results]
        return gr.Gallery(images, selected_index=None), *_details(results[0] if results else None)

    def selected(self, data: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        results = self._newest_first(request)
        return _details(results[data.index] if data.index < len(results) else None)

    def _newest_first(self, request: gr.Request) -> list[Result]:
        return self.handlers.session(request).results[::-1]


def results_view(handlers: EventHandlers) -> Results:
    """Builds it, inside `gr.Blocks`."""
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
    results = Results(handlers, gallery, [command, shown, image, settings, archive])
    gallery.select(results.selected, None, results.details, **PRIVATE)
    return results


def _details(result: Result | None) -> tuple[Any, ...]:
    """Values of the command, the settings and the three download buttons."""
    if result is None:
        return "", None, *(gr.DownloadButton(value=None, interactive=False) for _ in range(3))
    files = (result.image_file, result.settings_file, result.archive)
    buttons = (gr.DownloadButton(value=str(file), interactive=True) for file in files)
    return result.settings["command"], result.settings, *buttons
