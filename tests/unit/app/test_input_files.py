"""Input files of one request: safe names, notes and messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cfld.app.input_files import InputFiles, add_file
from cfld.app.joint_editor import to_value
from cfld.app.limits import Limits
from cfld.app.mannequins import mannequin_image, mannequin_pose
from cfld.app.sessions import Sessions
from cfld.app.settings import POSE
from cfld.app.uploads import UploadReader
from cfld.poses.formats import load_keypoints


@pytest.fixture
def inputs(tmp_path: Path) -> InputFiles:
    sessions = Sessions(tmp_path.resolve())
    session = sessions.get("one")
    return InputFiles(session.new_folder(), session, sessions, UploadReader(Limits(side=300)))


def uploaded(inputs: InputFiles, content: bytes | Image.Image) -> dict[str, Any]:
    """Gradio's description of an uploaded file."""
    path = inputs.sessions.uploads / "sent.png"
    path.write_bytes(content) if isinstance(content, bytes) else content.save(path)
    return {"path": str(path), "orig_name": "me.png"}


def test_an_image_is_added_under_its_owners_name(inputs: InputFiles) -> None:
    value = uploaded(inputs, mannequin_image(5))
    assert [inputs.add_image(value, "source") for _ in range(2)] == ["me.png", "me-2.png"]
    assert Image.open(inputs.folder / "me.png").tobytes() == mannequin_image(5).tobytes()
    assert inputs.session.uploads == {Path(value["path"])}
    assert inputs.notes == []


def test_notes_name_the_file(inputs: InputFiles) -> None:
    inputs.add_image(uploaded(inputs, Image.new("RGBA", (9, 9))), "source")
    (note,) = inputs.notes
    assert note.startswith("me.png: Transparent")


def test_a_reduced_image_takes_the_place_of_the_large_one(inputs: InputFiles) -> None:
    value = uploaded(inputs, Image.new("RGB", (600, 400), "red"))
    assert [inputs.add_image(value, "source") for _ in range(2)] == ["me.png", "me-2.png"]
    assert sorted(file.name for file in inputs.folder.iterdir()) == ["me-2.png", "me.png"]
    assert Image.open(inputs.folder / "me.png").size == (300, 200)
    assert inputs.notes[0] == "me.png: The image was reduced to 300 x 200 pixels."


def test_messages_name_the_role(inputs: InputFiles) -> None:
    with pytest.raises(ValueError, match="the reference is missing"):
        inputs.add_image(None, "reference")
    with pytest.raises(ValueError, match=r"^reference: me\.png: is not an image"):
        inputs.add_image(uploaded(inputs, b"text"), "reference")
    with pytest.raises(ValueError, match="upload it again"):
        inputs.add_image({"path": "/etc/passwd"}, "reference")


def test_poses_and_masks(inputs: InputFiles) -> None:
    inputs.add_pose(to_value(mannequin_pose(7)))
    assert to_value(load_keypoints(inputs.folder / POSE)) == to_value(mannequin_pose(7))
    layer = uploaded(inputs, Image.new("RGBA", (4, 4), "white"))
    assert [inputs.add_mask([layer], (8, 6)) for _ in range(2)] == ["mask.png", "mask-2.png"]
    assert Image.open(inputs.folder / "mask-2.png").size == (8, 6)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("me at home.jpg", "me at home.jpg"),
        ("../../../etc/passwd", "passwd"),
        ("-rf.png", "rf.png"),
        (".hidden", "hidden"),
        ("a\nb;$(c).png", "a_b__(c).png"),
        ("Zoë (2).png", "Zoë (2).png"),
        ("x" * 300 + ".png", "x" * 76 + ".png"),
        ("..", "upload"),
        (None, "sent.bin"),
    ],
)
def test_names_are_made_safe(tmp_path: Path, given: str | None, name: str) -> None:
    (tmp_path / "sent.bin").write_bytes(b"x")
    (tmp_path / "new").mkdir()
    assert add_file(tmp_path / "sent.bin", tmp_path / "new", given) == name
    assert (tmp_path / "new" / name).read_bytes() == b"x"
