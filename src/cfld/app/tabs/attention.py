"""The tab *Attention*: the image regions that each learned query attends to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from cfld.app.event_handlers import EventHandlers
from cfld.app.input_files import InputFiles
from cfld.app.settings import Attention
from cfld.app.tabs.controls import connect, image_input, output_panel
from cfld.app.validation import Arguments
from cfld.inference.attention import Blocks


class AttentionArguments(Arguments):
    source: Any
    blocks: Blocks


def attention_tab(handlers: EventHandlers, on_result: Callable[[Any], None]) -> None:
    """Builds the tab, inside `gr.Tab`."""
    with gr.Row():
        with gr.Column():
            source = image_input(handlers, "Source: the person", "attention-source")
        with gr.Column(scale=2):
            blocks = gr.Radio(
                [("the last block, whose output is the prompt", "last"), ("the mean of all blocks", "mean")],
                value="last",
                label="Attention of",
                elem_id="attention-blocks",
            )
            panel = output_panel("attention")

    def attention(inputs: InputFiles, arguments: AttentionArguments) -> Attention:
        """Shows, for each learned query, the regions of the source image that it attends to."""
        return Attention(sources=(inputs.add_image(arguments.source, "source"),), blocks=arguments.blocks)

    components = {"source": source, "blocks": blocks}
    on_result(connect(handlers, panel, AttentionArguments, attention, components))
