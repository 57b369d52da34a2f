"""A skeleton in the page whose joints are dragged, moved with the keys, mirrored, removed and brought back.

A custom component in the sense of Gradio's `gr.HTML`: `joint_editor.html`, `.css` and `.js` lie beside this file. Its
value is this project's keypoint JSON (`cfld.poses.keypoints`), frame included. `input` fires when a movement ends.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any, Final

import gradio as gr
from PIL import Image

from cfld.poses.keypoints import Keypoints, parse_keypoints
from cfld.poses.skeleton import BONES, JOINT_COLOURS, JOINTS, MIRROR, NUM_JOINTS

LONGEST_SIDE: Final = 30_000
"""Of a frame, in pixels."""
BACKDROP_SIDE: Final = 512
"""Images behind the skeleton are made at most this large, in pixels."""


def joint_editor(value: Keypoints, label: str = "Target pose", elem_id: str = "joint-editor") -> gr.HTML:
    """The editor, to be called inside `gr.Blocks`.

    Listen to `.input` for what a person did, to `.change` for any new value; with `trigger_mode="always_last"`, since
    Gradio otherwise leaves out what comes while it is still busy. A value that the server sets is the new starting
    point of undo and reset.

    Args:
        value: the pose at first.
        label: its title, and the name that screen readers say.
        elem_id: the `id` in the page.
    """
    return gr.HTML(
        to_value(value),
        label=label,
        container=True,
        padding=True,
        elem_id=elem_id,
        html_template=_beside("joint_editor.html"),
        css_template=_beside("joint_editor.css"),
        js_on_load=_beside("joint_editor.js"),
        apply_default_css=False,
        backdrop="",
        **_skeleton(),
    )


def to_value(keypoints: Keypoints) -> dict[str, Any]:
    """What the page is given: `{"frame": [height, width], "keypoints": [[y, x], ... 18 times]}`, to 1/100 pixel."""
    value: dict[str, Any] = json.loads(keypoints.to_json())
    return value


def from_value(value: Any) -> Keypoints:
    """What a page or a client sent.

    Raises:
        ValueError: saying in one sentence what is wrong with it.
    """
    if not isinstance(value, dict) or set(value) != {"frame", "keypoints"}:
        raise ValueError(
            'a pose is {"frame": [height, width], "keypoints": [[y, x], ... 18 times]}, got something else'
        )
    frame, keypoints = value["frame"], value["keypoints"]
    if not _is_list(frame, 2) or not all(type(side) is int and 1 <= side <= LONGEST_SIDE for side in frame):
        raise ValueError(f"a pose's frame is [height, width], whole numbers from 1 to {LONGEST_SIDE}")
    if not _is_list(keypoints, NUM_JOINTS) or not all(_is_list(joint, 2) for joint in keypoints):
        raise ValueError(f"a pose has {NUM_JOINTS} joints of [y, x]")
    if not all(_is_near(number, frame) for joint in keypoints for number in joint):
        raise ValueError(f"a joint's [y, x] are numbers, and not far outside the frame of {frame[0]} x {frame[1]}")
    return parse_keypoints(value)


def with_backdrop(image: Image.Image | None) -> Any:
    """For a Gradio function to return to an editor: the image is seen behind the skeleton; None takes it away.

    The image fills the frame.
    """
    return gr.update(backdrop=_data_url(image) if image else "", **_skeleton())


def _skeleton() -> dict[str, Any]:
    """For the page: joints with names and colours, bones with colours, and who becomes whom in the mirror."""
    colours = [f"rgb{colour}" for colour in JOINT_COLOURS]
    names = [name.replace("_", " ") for name in JOINTS]
    return {
        "joints": [{"name": name, "colour": colour} for name, colour in zip(names, colours, strict=True)],
        "bones": [{"from": a, "to": b, "colour": colours[bone]} for bone, (a, b) in enumerate(BONES)],
        "mirror": list(MIRROR),
    }


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _is_list(value: Any, length: int) -> bool:
    return isinstance(value, list) and len(value) == length


def _is_near(number: Any, frame: list[int]) -> bool:
    """Whether it is a number at most ten frames away; a wild one would make the figure invisibly small."""
    return type(number) in (int, float) and abs(number) <= 10 * max(frame)


def _data_url(image: Image.Image) -> str:
    small = image.convert("RGB")
    small.thumbnail((BACKDROP_SIDE, BACKDROP_SIDE))
    written = io.BytesIO()
    small.save(written, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode()
