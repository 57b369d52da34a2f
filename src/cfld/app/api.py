"""API endpoints for Python clients besides those of the tabs; the page itself does not use them."""

from __future__ import annotations

import secrets
from typing import Any

import gradio as gr
from gradio.events import api

from cfld.app.event_handlers import EventHandlers
from cfld.app.joint_editor import to_value
from cfld.app.mannequins import image_file
from cfld.app.mannequins import mannequin_pose as pose_of_seed
from cfld.app.validation import LARGEST_SEED, Arguments, Seed


class EndpointArguments(Arguments):
    seed: Seed | None = None
    number: int | None = None

    def chosen_seed(self) -> int:
        return secrets.randbelow(LARGEST_SEED) if self.seed is None else self.seed


def add_endpoints(handlers: EventHandlers) -> None:
    """Adds the endpoints, inside `gr.Blocks`. The functions' docstrings are shown to clients."""

    @handlers.user_errors()
    def mannequin_image(request: gr.Request, seed: int | None = None) -> Any:
        """The image of a mannequin by random seed; without a seed, any mannequin."""
        folder = handlers.session(request).folder / "mannequins"
        return _download(image_file(folder, EndpointArguments(seed=seed).chosen_seed()))

    @handlers.user_errors()
    def mannequin_pose(seed: int | None = None) -> dict[str, Any]:
        """The keypoints of a mannequin's pose by random seed; without a seed, any pose."""
        return to_value(pose_of_seed(EndpointArguments(seed=seed).chosen_seed()))

    @handlers.user_errors()
    def read_pose(request: gr.Request, file: Any) -> dict[str, Any]:
        """The keypoints found in an image of a person, or stored in a keypoint file."""
        inputs = handlers.input_files(request)
        return to_value(handlers.engine.read_pose(inputs.folder / inputs.add_upload(file)))

    @handlers.user_errors()
    def check_image(request: gr.Request, file: Any) -> str:
        """Changes made to an uploaded image that its owner may not expect; empty if there are none."""
        inputs = handlers.input_files(request)
        with handlers.engine.uploads.open(inputs.folder / inputs.add_upload(file)) as upload:
            return " ".join(upload.notes)

    @handlers.user_errors()
    def archive(request: gr.Request, number: int | None = None) -> Any:
        """The zip file of the newest result, or of the result of this number: image, settings, and input files."""
        results = {result.number: result for result in handlers.session(request).results}
        given = EndpointArguments(number=number).number
        chosen = max(results, default=0) if given is None else given
        if chosen not in results:
            raise ValueError("this session has no such result")
        return _download(results[chosen].archive)

    for function in (mannequin_image, mannequin_pose, read_pose, check_image, archive):
        api(function, concurrency_limit=4)


def _download(path: Any) -> dict[str, Any]:
    return gr.FileData(path=str(path)).model_dump()
