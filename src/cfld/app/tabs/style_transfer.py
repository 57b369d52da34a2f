"""The tab *Style transfer*: another person's clothes in the painted part of an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import gradio as gr
from pydantic import Field

from cfld.app.event_handlers import EventHandlers
from cfld.app.input_files import InputFiles
from cfld.app.joint_editor import to_value, with_backdrop
from cfld.app.masks import painted_mask
from cfld.app.settings import StyleTransfer
from cfld.app.tabs.controls import PRIVATE, connect, image_input, output_panel, pose_input, sampling_input
from cfld.app.uploads import read_layer, read_upload
from cfld.app.validation import Arguments, SamplingArguments

BRUSH: Final = "#ff5fd7"
CANVAS: Final = (352, 512)
"""Width and height that a reference is reduced to for painting."""
MAX_FEATHER: Final = 100


class Mask(Arguments):
    """The value of `gr.ImageMask`."""

    layers: list[Any]


class StyleTransferArguments(SamplingArguments):
    reference: Any
    mask: Mask
    source: Any
    find_pose: bool
    target_pose: Any
    feather: Annotated[float, Field(ge=0, le=MAX_FEATHER)]
    paste: bool


def style_transfer_tab(handlers: EventHandlers, on_result: Callable[[Any], None]) -> None:
    """Builds the tab, inside `gr.Tab`."""
    with gr.Row():
        with gr.Column():
            reference = image_input(handlers, "Reference: the image to edit", "style-reference")
            source = image_input(handlers, "Source: the clothes to transfer", "style-source")
        with gr.Column():
            mask = _mask_input()
            with gr.Accordion("Pose of the reference", open=False, elem_id="style-pose-accordion"):
                find_pose = gr.Checkbox(True, label="Detect the pose in the reference", elem_id="style-pose-found")
                pose = pose_input(handlers, "Pose of the reference", "style")
        with gr.Column():
            feather = gr.Slider(0, 16, 1, step=0.5, label="Feather: soft edge in pixels", elem_id="style-feather")
            paste = gr.Checkbox(True, label="Keep all unmasked pixels unchanged", elem_id="style-paste")
            sampling = sampling_input(handlers, "style")
            panel = output_panel("style")

    def show_reference(value: Any, request: gr.Request) -> tuple[Any, Any]:
        if value is None:
            return None, gr.skip()
        try:
            return _canvas_and_pose(handlers, handlers.input_files(request), value)
        except ValueError:
            return None, gr.skip()  # reported beside the upload

    def style_transfer(inputs: InputFiles, arguments: StyleTransferArguments) -> StyleTransfer:
        """Generates the clothes of the source in the masked part of the reference, whose pose is the target pose."""
        name = inputs.add_image(arguments.reference, "reference")
        file = inputs.folder / name
        inputs.add_pose(to_value(handlers.engine.read_pose(file)) if arguments.find_pose else arguments.target_pose)
        layers = [read_layer(inputs.uploaded(layer), inputs.limits) for layer in arguments.mask.layers]
        return StyleTransfer(
            reference=name,
            mask=inputs.add_mask(painted_mask(layers, read_upload(file, inputs.limits).image.size)),
            source=inputs.add_image(arguments.source, "source"),
            feather=arguments.feather,
            paste=arguments.paste,
            sampling=arguments.sampling(),
        )

    reference.change(show_reference, reference, [mask, pose], preprocess=False, **PRIVATE)
    pose.input(lambda: False, None, find_pose, **PRIVATE)
    files = {"reference": reference, "mask": mask, "source": source}
    options = {"find_pose": find_pose, "target_pose": pose, "feather": feather, "paste": paste}
    event = connect(handlers, panel, StyleTransferArguments, style_transfer, {**files, **options, **sampling})
    on_result(event)


def _mask_input() -> gr.ImageMask:
    return gr.ImageMask(
        label="Paint the mask",
        elem_id="style-mask",
        sources=(),
        transforms=(),
        format="png",
        brush=gr.Brush(colors=[BRUSH], color_mode="fixed", default_size=12),
        canvas_size=CANVAS,
        height=560,
        layers=False,
        buttons=[],
    )


def _canvas_and_pose(handlers: EventHandlers, inputs: InputFiles, value: Any) -> tuple[Any, Any]:
    """New values of the mask and the pose: the reference, small enough for a phone, and the pose found in it."""
    image = read_upload(inputs.uploaded(value), inputs.limits).image
    small, path = image.copy(), inputs.folder / "canvas.png"
    small.thumbnail(CANVAS)
    small.save(path)
    canvas: dict[str, Any] = {"background": str(path), "layers": [], "composite": None}
    try:
        pose = to_value(handlers.engine.reader.image(image, "the reference"))
    except ValueError:
        return canvas, with_backdrop(image)
    return canvas, {**with_backdrop(image), "value": pose}
