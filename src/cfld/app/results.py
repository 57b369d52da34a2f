"""What has been drawn for a visitor: a gallery, and of one result its settings, its command and its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from cfld.app.event_handlers import EventHandlers
from cfld.app.sessions import Result
from cfld.app.tabs.controls import PRIVATE, thumbnails


@dataclass(frozen=True)
class Results:
    """The page's part below the tabs; `listen` is what tabs call with their events."""

    desk: EventHandlers
    gallery: gr.Gallery
    details: list[Any]

    def listen(self, event: Any) -> None:
        """Shows the newest result when the event has ended well."""
        event.success(self.newest, None, [self.gallery, *self.details], **PRIVATE)

    def newest(self, request: gr.Request) -> tuple[Any, ...]:
        """All results of this session, the newest first, and the details of that one."""
        results = self._newest_first(request)
        images = [(str(one.image), f"{one.number}: {one.asked['task']}") for one in results]
        return gr.Gallery(images, selected_index=None), *_details(results[0] if results else None)

    def selected(self, data: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        results = self._newest_first(request)
        return _details(results[data.index] if data.index < len(results) else None)

    def _newest_first(self, request: gr.Request) -> list[Result]:
        return self.desk.visitor(request).results[::-1]


def results_view(desk: EventHandlers) -> Results:
    """Builds it, inside `gr.Blocks`."""
    gr.Markdown("## Results", elem_id="results-title")
    gallery = thumbnails([], "Results of this session", "results-gallery")
    command = gr.Textbox(
        label="The same on the command line, in the folder of the archive's files",
        elem_id="results-command",
        lines=2,
        interactive=False,
        buttons=["copy"],
    )
    with gr.Row():
        image = gr.DownloadButton("Image", elem_id="results-download-image", interactive=False)
        settings = gr.DownloadButton("Settings", elem_id="results-download-settings", interactive=False)
        archive = gr.DownloadButton("All, with the files used", elem_id="results-download-archive", interactive=False)
    with gr.Accordion("Settings of the result", open=False, elem_id="results-settings-accordion"):
        shown = gr.JSON(elem_id="results-settings", show_label=False)
    results = Results(desk, gallery, [command, shown, image, settings, archive])
    gallery.select(results.selected, None, results.details, **PRIVATE)
    return results


def _details(result: Result | None) -> tuple[Any, ...]:
    """Values of the command, the settings and the three buttons."""
    if result is None:
        return "", None, *(gr.DownloadButton(value=None, interactive=False) for _ in range(3))
    files = (result.image, result.settings, result.archive)
    buttons = (gr.DownloadButton(value=str(file), interactive=True) for file in files)
    return result.asked["command"], result.asked, *buttons
