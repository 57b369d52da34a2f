"""The tab *Interpolation*: between the clothes of two to four people, in one pose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import gradio as gr

from cfld.app import validation
from cfld.app.event_handlers import EventHandlers, Inputs, Update
from cfld.app.settings import Interpolation
from cfld.app.tabs.controls import connect, drawing_output, image_input, pose_input, sampling_input

SOURCES: Final = 4
STRIP, MIXED = "strip", "mixed"
KINDS: Final = [("a strip from the first to the last", STRIP), ("one image, mixed by weights", MIXED)]


def interpolation_tab(desk: EventHandlers, afterwards: Callable[[Any], None]) -> None:
    """Builds the tab, inside `gr.Tab`."""
    with gr.Row():
        with gr.Column(scale=2), gr.Row():
            sources, weights = zip(*(_source(desk, number) for number in range(1, SOURCES + 1)), strict=True)
        with gr.Column():
            pose = pose_input(desk, "Target pose", "interpolation")
    with gr.Row():
        with gr.Column():
            shown = gr.Radio(KINDS, value=STRIP, label="Draw", elem_id="interpolation-kind")
            frames = gr.Slider(
                2, desk.engine.limits.frames, 5, step=1, label="Images of the strip", elem_id="interpolation-frames"
            )
            sampling = sampling_input(desk, "interpolation")
        with gr.Column(scale=2):
            drawing = drawing_output("interpolation")

    def interpolation(
        request: gr.Request,
        source_1: Any,
        source_2: Any,
        weight_1: Any,
        weight_2: Any,
        weight_3: Any,
        weight_4: Any,
        target_pose: Any,
        draw: Any,
        frames: Any,
        steps: Any,
        pose_guidance: Any,
        appearance_guidance: Any,
        scheduler: Any,
        seed: Any,
        source_3: Any = None,
        source_4: Any = None,
    ) -> Iterator[Update]:
        """Draws between two to four sources: a strip, or one image by weights, which are made 1 in sum."""

        def ask(inputs: Inputs) -> Interpolation:
            limits = desk.engine.limits
            given = [source_1, source_2, source_3, source_4]
            shares = [weight_1, weight_2, weight_3, weight_4]
            mixed = validation.choice(draw, "what to draw", (STRIP, MIXED)) == MIXED
            inputs.pose(target_pose)
            return Interpolation(
                served=desk.engine.served,
                sources=_taken(inputs, given),
                weights=_shares([share for share, one in zip(shares, given, strict=True) if one]) if mixed else None,
                frames=validation.whole(frames, "the number of images", 2, limits.frames),
                sampling=validation.sampling(limits, steps, pose_guidance, appearance_guidance, scheduler, seed),
            )

        yield from desk.draw(request, "interpolation", ask)

    inputs = [*sources[:2], *weights, pose, shown, frames, *sampling, *sources[2:]]
    afterwards(connect(desk, drawing, "interpolation", interpolation, inputs))


def _source(desk: EventHandlers, number: int) -> tuple[gr.Image, gr.Slider]:
    with gr.Column(min_width=300):
        more = "" if number <= 2 else ", if you like"
        image = image_input(desk, f"Source {number}{more}", f"interpolation-source-{number}")
        weight = gr.Slider(0, 1, 0.5, step=0.05, label=f"Weight {number}", elem_id=f"interpolation-weight-{number}")
    return image, weight


def _taken(inputs: Inputs, given: Sequence[Any]) -> tuple[str, ...]:
    sources = [one for one in given if one]
    if len(sources) < 2:
        raise ValueError("interpolation needs two sources at least: upload images, or take examples")
    return tuple(inputs.image(one, f"source {number}") for number, one in enumerate(sources, start=1))


def _shares(weights: Sequence[Any]) -> tuple[float, ...]:
    """The same weights with the sum 1."""
    numbers = [validation.number(weight, "a weight", 0, 1) for weight in weights]
    if not (total := math.fsum(numbers)):
        raise ValueError("all weights are 0; give at least one source some weight")
    return tuple(number / total for number in numbers)
