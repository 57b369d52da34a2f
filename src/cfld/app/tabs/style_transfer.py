"""The tab *Style transfer*: another person's clothes in the painted part of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import gradio as gr

from cfld.app import validation
from cfld.app.event_handlers import EventHandlers, Inputs, Update
from cfld.app.joint_editor import to_value, with_backdrop
from cfld.app.masks import painted_mask
from cfld.app.settings import StyleTransfer
from cfld.app.tabs.controls import PRIVATE, connect, drawing_output, image_input, pose_input, sampling_input
from cfld.app.uploads import read_layer, read_upload

BRUSH: Final = "#ff5fd7"
CANVAS: Final = (352, 512)
"""Width and height that a reference is made at most as large as, to be painted on."""
WIDEST_FEATHER: Final = 100


def style_transfer_tab(desk: EventHandlers, afterwards: Callable[[Any], None]) -> None:
    """Builds the tab, inside `gr.Tab`."""
    with gr.Row():
        with gr.Column():
            reference = image_input(desk, "Reference: the image to edit", "style-reference")
            source = image_input(desk, "Style: whose clothes", "style-source")
        with gr.Column():
            mask = _mask_input()
            with gr.Accordion("The reference's own pose", open=False, elem_id="style-pose-accordion"):
                found = gr.Checkbox(True, label="As it is found in the reference", elem_id="style-pose-found")
                pose = pose_input(desk, "Pose of the reference", "style")
        with gr.Column():
            feather = gr.Slider(0, 16, 1, step=0.5, label="Soft edge, in pixels", elem_id="style-feather")
            paste = gr.Checkbox(True, label="Keep all other pixels exactly", elem_id="style-paste")
            sampling = sampling_input(desk, "style")
            drawing = drawing_output("style")

    def show(sent: Any, request: gr.Request) -> tuple[Any, Any]:
        return _shown(desk, sent, request)

    reference.change(show, reference, [mask, pose], preprocess=False, **PRIVATE)
    pose.input(lambda: False, None, found, **PRIVATE)

    def style_transfer(
        request: gr.Request,
        reference: Any,
        mask: Any,
        source: Any,
        find_pose: Any,
        target_pose: Any,
        feather: Any,
        paste: Any,
        steps: Any,
        pose_guidance: Any,
        appearance_guidance: Any,
        scheduler: Any,
        seed: Any,
    ) -> Iterator[Update]:
        """Draws the clothes of the source into the masked part of the reference, whose own pose is the target pose."""

        def ask(inputs: Inputs) -> StyleTransfer:
            limits, edited = desk.engine.limits, inputs.image(reference, "reference")
            find = validation.switch(find_pose, "finding the pose")
            inputs.pose(to_value(desk.engine.read_pose(inputs.folder / edited)) if find else target_pose)
            return StyleTransfer(
                served=desk.engine.served,
                reference=edited,
                mask=_mask(inputs, mask, edited),
                source=inputs.image(source, "style"),
                feather=validation.number(feather, "the soft edge", 0, WIDEST_FEATHER),
                paste=validation.switch(paste, "keeping pixels"),
                sampling=validation.sampling(limits, steps, pose_guidance, appearance_guidance, scheduler, seed),
            )

        yield from desk.draw(request, "style_transfer", ask)

    inputs = [reference, mask, source, found, pose, feather, paste, *sampling]
    afterwards(connect(desk, drawing, "style_transfer", style_transfer, inputs))


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


def _shown(desk: EventHandlers, sent: Any, request: gr.Request) -> tuple[Any, Any]:
    """The reference as it is painted on, small enough for a telephone, and its pose where one is found."""
    if sent is None:
        return None, gr.skip()
    inputs = desk.inputs(request)
    try:
        image = read_upload(inputs.upload(sent), desk.engine.limits).image
    except ValueError:
        return None, gr.skip()  # told beside the upload
    small = image.copy()
    small.thumbnail(CANVAS)
    path = inputs.folder / "canvas.png"
    small.save(path)
    canvas: dict[str, Any] = {"background": str(path), "layers": [], "composite": None}
    try:
        found = to_value(desk.engine.reader.image(image, "the reference"))
    except ValueError:
        return canvas, with_backdrop(image)
    return canvas, {**with_backdrop(image), "value": found}


def _mask(inputs: Inputs, sent: Any, reference: str) -> str:
    """The painted mask as a file of the reference's size; returns its name."""
    layers = sent.get("layers") if isinstance(sent, dict) else None
    if not isinstance(layers, list):
        raise ValueError('the mask is {"background": ..., "layers": [images], "composite": ...}, got something else')
    painted = [read_layer(inputs.upload(layer), inputs.limits) for layer in layers]
    size = read_upload(inputs.folder / reference, inputs.limits).image.size
    return inputs.mask(painted_mask(painted, size))
