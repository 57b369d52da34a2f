"""A skeleton on the page whose joints can be dragged, moved with the keyboard, mirrored, removed and restored.

A custom component based on Gradio's `gr.HTML`, with `joint_editor.html`, `.css` and `.js`. Its value is this project's
keypoint JSON (`cfld.poses.keypoints`) including the frame. The event `input` fires at the end of a movement.
For other parts of the page, its element dispatches `pose-moved` and `pose-released`, with the pose as `detail`.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Annotated, Any, Final

import gradio as gr
from PIL import Image
from pydantic import Field, ValidationError, model_validator

from cfld.app.validation import Arguments, first_error
from cfld.poses.keypoints import Keypoints, parse_keypoints
from cfld.poses.skeleton import BONES, JOINT_COLOURS, JOINTS, MIRROR, NUM_JOINTS

MAX_SIDE: Final = 30_000
"""Height or width of a frame in pixels."""
MAX_DISTANCE: Final = 10
"""Distance of a joint from the frame's origin, in frame sizes."""
BACKDROP_SIDE: Final = 512
"""Height or width that images behind the skeleton are reduced to, in pixels."""

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Joint = Annotated[list[float], Field(min_length=2, max_length=2)]


def joint_editor(value: Keypoints, label: str = "Target pose", elem_id: str = "joint-editor") -> gr.HTML:
    """Creates the editor, inside `gr.Blocks`.

    Listen to `.input` for a visitor's changes, or to `.change` for any new value; with `trigger_mode="always_last"`,
    since Gradio otherwise drops events while a previous one is processed. A value set by the server restarts the undo
    history and becomes the pose that *Reset* restores.

    Args:
        value: initial pose.
        label: title, also read by screen readers.
        elem_id: the `id` in the page.
    """
    return gr.HTML(
        to_value(value),
        label=label,
        container=True,
        padding=True,
        elem_id=elem_id,
        html_template=_asset("joint_editor.html"),
        css_template=_asset("joint_editor.css"),
        js_on_load=_asset("joint_editor.js"),
        apply_default_css=False,
        backdrop="",
        **_skeleton(),
    )


def to_value(keypoints: Keypoints) -> dict[str, Any]:
    """JSON values: `{"frame": [height, width], "keypoints": [[y, x], ... 18 times]}`, rounded to 1/100 pixel."""
    value: dict[str, Any] = json.loads(keypoints.to_json())
    return value


class Pose(Arguments, extra="forbid"):
    """A pose as the page or a client sends it."""

    frame: list[Side] = Field(min_length=2, max_length=2)
    keypoints: list[Joint] = Field(min_length=NUM_JOINTS, max_length=NUM_JOINTS)

    @model_validator(mode="after")
    def _check_distance(self) -> Pose:
        """A joint at a wild distance would make the skeleton invisibly small."""
        if max(abs(number) for joint in self.keypoints for number in joint) > MAX_DISTANCE * max(self.frame):
            raise ValueError(f"joints should lie within {MAX_DISTANCE} frames of the frame {self.frame}")
        return self

    def to_keypoints(self) -> Keypoints:
        return parse_keypoints(self.model_dump())


def from_value(value: Any) -> Keypoints:
    """The pose that a page or a client sent.

    Raises:
        ValueError: if it is malformed, in one sentence.
    """
    try:
        return Pose.model_validate(value).to_keypoints()
    except ValidationError as error:
        raise ValueError(f"pose: {first_error(error)}") from None


def with_backdrop(image: Image.Image | None) -> Any:
    """An update of an editor: shows the image behind the skeleton, stretched to the frame; None removes it."""
    return gr.update(backdrop=_data_url(image) if image else "", **_skeleton())


def _skeleton() -> dict[str, Any]:
    """Properties for the template: names and colours of joints, colours of bones, and mirrored joints."""
    colours = [f"rgb{colour}" for colour in JOINT_COLOURS]
    names = [name.replace("_", " ") for name in JOINTS]
    return {
        "joints": [{"name": name, "colour": colour} for name, colour in zip(names, colours, strict=True)],
        "bones": [{"from": a, "to": b, "colour": colours[bone]} for bone, (a, b) in enumerate(BONES)],
        "mirror": list(MIRROR),
    }


def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _data_url(image: Image.Image) -> str:
    small = image.convert("RGB")
    small.thumbnail((BACKDROP_SIDE, BACKDROP_SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
