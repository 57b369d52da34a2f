"""The page: four tabs and the results below them."""

from __future__ import annotations

from typing import Final

import gradio as gr

from cfld.app.api import programs
from cfld.app.event_handlers import EventHandlers
from cfld.app.results import results_view
from cfld.app.tabs.attention import attention_tab
from cfld.app.tabs.interpolation import interpolation_tab
from cfld.app.tabs.pose_transfer import pose_transfer_tab
from cfld.app.tabs.style_transfer import style_transfer_tab

TITLE: Final = "CFLD: people in other poses and clothes"
TABS: Final = {
    "Pose transfer": ("pose-transfer", pose_transfer_tab),
    "Style transfer": ("style-transfer", style_transfer_tab),
    "Interpolation": ("interpolation", interpolation_tab),
    "Attention": ("attention", attention_tab),
}


def build_page(desk: EventHandlers) -> gr.Blocks:
    """The whole page. What its images are kept in is the folder of `desk.sessions`."""
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown("# Coarse-to-Fine Latent Diffusion", elem_id="title")
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
            tabs = {
                label: (gr.Tab(label, id=name, elem_id=f"tab-{name}"), build) for label, (name, build) in TABS.items()
            }
        results = results_view(desk)
        for tab, build in tabs.values():
            with tab:
                build(desk, results.listen)

        def leave(request: gr.Request) -> None:
            desk.sessions.leave(str(request.session_hash))

        programs(desk)
        page.unload(leave)
    return page
