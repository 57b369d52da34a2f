"""Functions that only programs call, by name: the page has its own ways to the same things."""

from __future__ import annotations

import secrets
from typing import Any, Final

import gradio as gr

from cfld.app import validation
from cfld.app.engine import mannequin_pose
from cfld.app.event_handlers import EventHandlers, user_errors
from cfld.app.joint_editor import to_value
from cfld.app.tabs.controls import figure_file
from cfld.app.uploads import read_upload
from cfld.app.validation import LARGEST_SEED

PROGRAMS: Final[dict[str, Any]] = {"queue": True, "preprocess": False, "concurrency_limit": 4}


def programs(desk: EventHandlers) -> None:
    """Adds the functions, inside `gr.Blocks`; nothing of it is seen."""
    with gr.Group(visible=False):
        seed, file = gr.Number(label="Seed", precision=0), gr.File(label="File")
        image, pose, told_text = (
            gr.Image(label="Figure", format="png"),
            gr.JSON(label="Pose"),
            gr.Textbox(label="Notes"),
        )
        call = gr.Button()

    def random_figure(request: gr.Request, seed: Any = None) -> str:
        """A mannequin of that seed, or any one."""
        with user_errors():
            return figure_file(desk, _seed(seed), request)

    def drawn_pose(seed: Any = None) -> dict[str, Any]:
        """The drawn pose of that seed, or any one, as keypoints."""
        with user_errors():
            return to_value(mannequin_pose(_seed(seed)))

    def read_pose(file: Any, request: gr.Request) -> dict[str, Any]:
        """The pose in an image of a person, or in a keypoint file, as keypoints."""
        inputs = desk.inputs(request)
        with user_errors(inputs.folder):
            return to_value(desk.engine.read_pose(inputs.folder / inputs.file(file)))

    def check_image(file: Any, request: gr.Request) -> str:
        """What is done to an uploaded image that its owner may not expect; nothing where it is taken as it is."""
        inputs = desk.inputs(request)
        with user_errors(inputs.folder):
            return " ".join(read_upload(inputs.folder / inputs.file(file), desk.engine.limits).notes)

    def archive(request: gr.Request, number: Any = None) -> str:
        """The newest result, or that of a number: its image, its settings, and the files that it was drawn from."""
        with user_errors():
            results = {result.number: result for result in desk.visitor(request).results}
            if (wanted := max(results, default=0) if number is None else number) not in results:
                raise ValueError("there is no such result in this session")
            return str(results[wanted].archive)

    call.click(archive, seed, file, api_name="archive", **PROGRAMS)
    call.click(random_figure, seed, image, api_name="random_figure", **PROGRAMS)
    call.click(drawn_pose, seed, pose, api_name="drawn_pose", **PROGRAMS)
    call.click(read_pose, file, pose, api_name="read_pose", **PROGRAMS)
    call.click(check_image, file, told_text, api_name="check_image", **PROGRAMS)


def _seed(given: Any) -> int:
    return secrets.randbelow(LARGEST_SEED) if given is None else validation.whole(given, "the seed", 0, LARGEST_SEED)
