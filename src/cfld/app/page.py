"""The page: four tabs and the results below them."""

from __future__ import annotations

from typing import Final

import gradio as gr

from cfld.app.api import add_endpoints
from cfld.app.event_handlers import EventHandlers
from cfld.app.results import results_view
from cfld.app.tabs.attention import attention_tab
from cfld.app.tabs.interpolation import interpolation_tab
from cfld.app.tabs.pose_transfer import pose_transfer_tab
from cfld.app.tabs.style_transfer import style_transfer_tab

TITLE: Final = "CFLD: people in other poses and clothes"
TABS: Final = {
    "Pose transfer": pose_transfer_tab,
    "Style transfer": style_transfer_tab,
    "Interpolation": interpolation_tab,
    "Attention": attention_tab,
}


def build_page(handlers: EventHandlers) -> gr.Blocks:
    """Builds the whole page; its own images are written to `handlers.sessions.page`."""

    def close(request: gr.Request) -> None:
        handlers.sessions.close(str(request.session_hash))

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown("# Coarse-to-Fine Latent Diffusion", elem_id="title")
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
            tabs = {label: gr.Tab(label, elem_id=f"tab-{label.lower().replace(' ', '-')}") for label in TABS}
        show_newest_after = results_view(handlers)
        for label, tab in tabs.items():
            with tab:
                TABS[label](handlers, show_newest_after)
        add_endpoints(handlers)
        page.unload(close)
    return page
