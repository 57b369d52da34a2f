"""The tab *Pose transfer*: a person in another pose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import gradio as gr

from cfld.app import validation
from cfld.app.event_handlers import EventHandlers, Inputs, Update
from cfld.app.settings import PoseTransfer
from cfld.app.tabs.controls import PRIVATE, connect, drawing_output, image_input, pose_input, sampling_input
from cfld.poses.fit import Fit

AS_IT_IS: Final = "as it is"
FITS: Final[tuple[Fit, ...]] = ("crop", "letterbox")


def pose_transfer_tab(desk: EventHandlers, afterwards: Callable[[Any], None]) -> None:
    """Builds the tab, inside `gr.Tab`."""
    with gr.Row():
        with gr.Column():
            source = image_input(desk, "Source: the person", "transfer-source")
            fit = gr.Radio(
                [AS_IT_IS, *FITS], value=AS_IT_IS, label="Fit the source into the frame", elem_id="transfer-fit"
            )
            retarget = gr.Checkbox(
                label="Put the pose on the source's own body (retarget)", elem_id="transfer-retarget"
            )
        with gr.Column():
            pose = pose_input(desk, "Target pose", "transfer")
        with gr.Column():
            sampling = sampling_input(desk, "transfer")
            drawing = drawing_output("transfer")
            poses = _retargeting_output()

    def pose_transfer(
        request: gr.Request,
        source: Any,
        target_pose: Any,
        fit: Any,
        retarget: Any,
        steps: Any,
        pose_guidance: Any,
        appearance_guidance: Any,
        scheduler: Any,
        seed: Any,
    ) -> Iterator[Update]:
        """Draws the person of the source image in the target pose."""

        def ask(inputs: Inputs) -> PoseTransfer:
            how = None if fit == AS_IT_IS else validation.choice(fit, "fit", FITS)
            inputs.pose(target_pose)
            return PoseTransfer(
                served=desk.engine.served,
                source=inputs.image(source, "source"),
                fit=how,
                retarget=validation.switch(retarget, "retarget"),
                sampling=validation.sampling(
                    desk.engine.limits, steps, pose_guidance, appearance_guidance, scheduler, seed
                ),
            )

        yield from desk.draw(request, "pose_transfer", ask)

    def retargeted(request: gr.Request) -> Any:
        newest = desk.visitor(request).results[-1:]  # there may be none: a cancelled drawing ends well, too
        drawn = newest[0].retargeting if newest else None
        return gr.Image(str(drawn) if drawn else None, visible=drawn is not None)

    event = connect(desk, drawing, "pose_transfer", pose_transfer, [source, pose, fit, retarget, *sampling])
    event.success(retargeted, None, poses, **PRIVATE)
    afterwards(event)


def _retargeting_output() -> gr.Image:
    """Hidden until a pose is retargeted."""
    return gr.Image(
        label="Source, target, retargeted",
        elem_id="transfer-retargeting",
        type="filepath",
        format="png",
        interactive=False,
        visible=False,
        height=280,
        buttons=["fullscreen"],
    )
