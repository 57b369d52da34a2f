"""The page: the tabs, and the results below them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import gradio as gr

from cfld.app.api import add_endpoints
from cfld.app.controls import PRIVATE, thumbnails
from cfld.app.event_handlers import EventHandlers
from cfld.app.sessions import Result
from cfld.app.tabs import TABS

TITLE: Final = "CFLD: people in other poses and clothes"


def build_page(handlers: EventHandlers) -> gr.Blocks:
    """Builds the whole page; its own images are written to `handlers.sessions.page`."""
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown("# Coarse-to-Fine Latent Diffusion", elem_id="title")
        events = []
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
            for label, build_tab in TABS.items():
                with gr.Tab(label, elem_id=f"tab-{label.lower().replace(' ', '-')}"):
                    events.append(build_tab(handlers))
        results_view(handlers, events)
        add_endpoints(handlers)
        page.unload(handlers.close_session)
    return page


def results_view(handlers: EventHandlers, events: Sequence[Any]) -> None:
    """A gallery of the session's results, and the settings, command and files of the selected one.

    Args:
        events: after each of them, the newest result is shown.
    """
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

    def show_newest(request: gr.Request) -> tuple[Any, ...]:
        results = handlers.session(request).results[::-1]
        images = [(str(result.image_file), f"{result.number}: {result.settings['task']}") for result in results]
        return gr.Gallery(images, selected_index=None), *_details(results[:1])

    def show_selected(data: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        return _details(handlers.session(request).results[::-1][data.index :])

    gallery.select(show_selected, None, details, **PRIVATE)
    for event in events:
        event.success(show_newest, None, [gallery, *details], **PRIVATE)


def _details(results: Sequence[Result]) -> tuple[Any, ...]:
    """Values of the command, the settings and the three download buttons for the first of the results."""
    if not results:
        return "", None, *(gr.DownloadButton(value=None, interactive=False) for _ in range(3))
    files = (results[0].image_file, results[0].settings_file, results[0].archive)
    buttons = (gr.DownloadButton(value=str(file), interactive=True) for file in files)
    return results[0].settings["command"], results[0].settings, *buttons
