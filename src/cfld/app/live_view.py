"""The person beside a joint editor, redrawn while a joint is dragged: `live_view.html`, `.css` and `.js`.

A custom component based on Gradio's `gr.HTML`. Its value is the token of the page's `LiveSource`, empty while there is
none. The event `submit` fires when a movement ends.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from cfld.app.controls import PRIVATE
from cfld.app.event_handlers import A, EventHandlers
from cfld.app.input_files import InputFiles
from cfld.app.live import LiveSource
from cfld.app.settings import PoseTransfer


def live_view(
    handlers: EventHandlers,
    editor: gr.HTML,
    arguments: type[A],
    make_settings: Callable[[InputFiles, A], PoseTransfer],
    inputs: Mapping[str, Any],
) -> gr.HTML:
    """Creates the view, inside `gr.Blocks`.

    Args:
        editor: the joint editor that it follows.
        arguments, make_settings, inputs: as of `generation`; with each change but of the pose, the source is new.
    """
    view = gr.HTML(
        "",
        label="Live",
        container=True,
        padding=True,
        elem_id=f"{editor.elem_id}-live",
        html_template=_asset("html"),
        css_template=_asset("css"),
        js_on_load=_asset("js"),
        apply_default_css=False,
        editor=editor.elem_id,
    )

    def prepare(request: gr.Request, *values: Any) -> str:
        """The token of a new source; empty if the settings are not valid: *Generate* says why."""
        session = handlers.session(request)
        session.live = None
        try:
            files = handlers.input_files(request)
            given = arguments.model_validate(dict(zip(inputs, values, strict=True)), context=handlers.engine.limits)
            session.live = LiveSource(secrets.token_urlsafe(16), make_settings(files, given), files.folder)
        except ValueError:
            return ""
        return session.live.token

    changes = [component.change for component in inputs.values() if component is not editor]
    gr.on(
        changes,
        prepare,
        list(inputs.values()),
        view,
        preprocess=False,
        trigger_mode="always_last",
        **PRIVATE,
    )
    return view


def _asset(suffix: str) -> str:
    return Path(__file__).with_suffix(f".{suffix}").read_text(encoding="utf-8")
