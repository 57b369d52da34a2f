"""The tab *Attention*: where in an image each learned query looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import gradio as gr

from cfld.app import validation
from cfld.app.event_handlers import EventHandlers, Inputs, Update
from cfld.app.settings import Attention
from cfld.app.tabs.controls import connect, drawing_output, image_input
from cfld.inference.attention import Blocks

BLOCKS: Final[tuple[Blocks, ...]] = ("last", "mean")


def attention_tab(desk: EventHandlers, afterwards: Callable[[Any], None]) -> None:
    """Builds the tab, inside `gr.Tab`."""
    with gr.Row():
        with gr.Column():
            source = image_input(desk, "Source: the person", "attention-source")
        with gr.Column(scale=2):
            blocks = gr.Radio(
                [("the last block, whose output is the prompt", "last"), ("the mean of all blocks", "mean")],
                value="last",
                label="Attention of",
                elem_id="attention-blocks",
            )
            drawing = drawing_output("attention")

    def attention(request: gr.Request, source: Any, blocks: Any) -> Iterator[Update]:
        """Draws, for each learned query, where in the source image it looks."""

        def ask(inputs: Inputs) -> Attention:
            taken = (inputs.image(source, "source"),)
            return Attention(
                served=desk.engine.served, sources=taken, blocks=validation.choice(blocks, "blocks", BLOCKS)
            )

        yield from desk.draw(request, "attention", ask)

    afterwards(connect(desk, drawing, "attention", attention, [source, blocks]))
