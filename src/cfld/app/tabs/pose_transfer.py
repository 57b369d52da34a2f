"""The tab *Pose transfer*: a person in another pose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, get_args

import gradio as gr

from cfld.app.event_handlers import EventHandlers
from cfld.app.input_files import InputFiles
from cfld.app.settings import PoseTransfer
from cfld.app.tabs.controls import PRIVATE, connect, image_input, image_output, output_panel, pose_input, sampling_input
from cfld.app.validation import SamplingArguments, none_if
from cfld.poses.fit import Fit

NO_FIT: Final = "none"


class PoseTransferArguments(SamplingArguments):
    source: Any
    target_pose: Any
    fit: Annotated[Fit | None, none_if(NO_FIT)]
    retarget: bool


def pose_transfer_tab(handlers: EventHandlers, on_result: Callable[[Any], None]) -> None:
    """Builds the tab, inside `gr.Tab`."""
    with gr.Row():
        with gr.Column():
            source = image_input(handlers, "Source: the person", "transfer-source")
            fits = (NO_FIT, *get_args(Fit))
            fit = gr.Radio(fits, value=NO_FIT, label="Fit the source to the model's frame", elem_id="transfer-fit")
            retarget = gr.Checkbox(label="Retarget the pose to the source's body", elem_id="transfer-retarget")
        with gr.Column():
            pose = pose_input(handlers, "Target pose", "transfer")
        with gr.Column():
            sampling = sampling_input(handlers, "transfer")
            panel = output_panel("transfer")
            sheet = image_output(
                "Source, target, retargeted", "transfer-retargeting", 280, ["fullscreen"], visible=False
            )

    def pose_transfer(inputs: InputFiles, arguments: PoseTransferArguments) -> PoseTransfer:
        """Generates the person of the source image in the target pose."""
        inputs.add_pose(arguments.target_pose)
        return PoseTransfer(
            source=inputs.add_image(arguments.source, "source"),
            fit=arguments.fit,
            retarget=arguments.retarget,
            sampling=arguments.sampling(),
        )

    def show_retargeting(request: gr.Request) -> Any:
        newest = handlers.session(request).results[-1:]  # may be empty: a cancelled request also counts as success
        file = newest[0].retargeting_file if newest else None
        return gr.Image(str(file) if file else None, visible=file is not None)

    components = {"source": source, "target_pose": pose, "fit": fit, "retarget": retarget, **sampling}
    event = connect(handlers, panel, PoseTransferArguments, pose_transfer, components)
    event.success(show_retargeting, None, sheet, **PRIVATE)
    on_result(event)
