"""The tab *Interpolation*: between the clothes of two to four people, in one pose."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal

import gradio as gr
from pydantic import Field

from cfld.app.event_handlers import EventHandlers
from cfld.app.input_files import InputFiles
from cfld.app.settings import Interpolation
from cfld.app.tabs.controls import connect, image_input, output_panel, pose_input, sampling_input
from cfld.app.validation import SamplingArguments, Whole, at_most

SOURCES: Final = 4
OUTPUTS: Final = [("a strip from the first to the last", "strip"), ("one image, mixed by weights", "mixed")]

Weight = Annotated[float, Field(ge=0, le=1)]


class InterpolationArguments(SamplingArguments):
    source_1: Any
    source_2: Any
    source_3: Any = None
    source_4: Any = None
    weight_1: Weight
    weight_2: Weight
    weight_3: Weight
    weight_4: Weight
    target_pose: Any
    output: Literal["strip", "mixed"]
    frames: Annotated[Whole, Field(ge=2), at_most("frames")]

    def sources(self) -> dict[int, Any]:
        """The sources that were given, by number."""
        sources = {number: getattr(self, f"source_{number}") for number in range(1, SOURCES + 1)}
        return {number: source for number, source in sources.items() if source}


def interpolation_tab(handlers: EventHandlers, on_result: Callable[[Any], None]) -> None:
    """Builds the tab, inside `gr.Tab`."""
    with gr.Row():
        with gr.Column(scale=2), gr.Row():
            pairs = [_source(handlers, number) for number in range(1, SOURCES + 1)]
        with gr.Column():
            pose = pose_input(handlers, "Target pose", "interpolation")
    with gr.Row():
        with gr.Column():
            output = gr.Radio(OUTPUTS, value="strip", label="Output", elem_id="interpolation-output")
            most = handlers.engine.limits.frames
            frames = gr.Slider(2, most, 5, step=1, label="Images of the strip", elem_id="interpolation-frames")
            sampling = sampling_input(handlers, "interpolation")
        with gr.Column(scale=2):
            panel = output_panel("interpolation")

    def interpolation(inputs: InputFiles, arguments: InterpolationArguments) -> Interpolation:
        """Interpolates between the clothes of two to four sources: a strip, or one image by weights."""
        sources = arguments.sources()
        if len(sources) < 2:
            raise ValueError("interpolation needs at least two sources: upload images or choose examples")
        inputs.add_pose(arguments.target_pose)
        weights = [getattr(arguments, f"weight_{number}") for number in sources]
        return Interpolation(
            sources=tuple(inputs.add_image(source, f"source {number}") for number, source in sources.items()),
            weights=_normalised(weights) if arguments.output == "mixed" else None,
            frames=arguments.frames,
            sampling=arguments.sampling(),
        )

    images = {f"source_{number}": image for number, (image, _) in enumerate(pairs, start=1)}
    optional = {name: images.pop(name) for name in ("source_3", "source_4")}  # optional ones come last
    weights = {f"weight_{number}": weight for number, (_, weight) in enumerate(pairs, start=1)}
    options = {"target_pose": pose, "output": output, "frames": frames, **sampling}
    components = {**images, **weights, **options, **optional}
    on_result(connect(handlers, panel, InterpolationArguments, interpolation, components))


def _source(handlers: EventHandlers, number: int) -> tuple[gr.Image, gr.Slider]:
    with gr.Column(min_width=300):
        optional = "" if number <= 2 else " (optional)"
        image = image_input(handlers, f"Source {number}{optional}", f"interpolation-source-{number}")
        weight = gr.Slider(0, 1, 0.5, step=0.05, label=f"Weight {number}", elem_id=f"interpolation-weight-{number}")
    return image, weight


def _normalised(weights: Sequence[float]) -> tuple[float, ...]:
    """The weights divided by their sum."""
    if not (total := math.fsum(weights)):
        raise ValueError("all weights are 0: give at least one source a positive weight")
    return tuple(weight / total for weight in weights)
