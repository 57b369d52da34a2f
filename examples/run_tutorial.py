"""Runs the commands of part A of docs/tutorial.md in an empty folder and regenerates its images.

python examples/run_tutorial.py
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageSequence

from cfld.cli import main as cfld
from cfld.contact_sheet import contact_sheet
from cfld.data.transforms import read_image
from cfld.reproduction.figures import save_small

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SAMPLING = ("generate", "animate")
"""Commands with sampling options."""


def main() -> None:
    """Run part A and write docs/tutorial/*.jpg."""
    previous = Path.cwd()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            run_part("A")
            images = shown()
        finally:
            os.chdir(previous)
    (DOCS / "tutorial").mkdir(exist_ok=True)
    for name, image in images.items():
        save_small(image, DOCS / "tutorial" / f"{name}.jpg")
        print(DOCS / "tutorial" / f"{name}.jpg")


def run_part(part: str, options: Sequence[str] = ()) -> list[str]:
    """Runs the Python code and the `cfld` commands of a part of the tutorial in the current folder, in order.

    Args:
        part: first letter of its heading.
        options: added to every command that samples.

    Returns:
        the commands.
    """
    (text,) = (section for section in (DOCS / "tutorial.md").read_text().split("\n## ") if section.startswith(part))
    done = []
    for language, block in BLOCK.findall(text):
        if language == "python":
            exec(compile(block, "tutorial.md", "exec"), {})
            continue
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("cfld "):
                words = shlex.split(line)[1:]
                cfld([*words, *(options if words[0] in SAMPLING else ())])
                done.append(line)
    return done


def shown() -> dict[str, Image.Image]:
    """The images of the tutorial by name, from the files that part A wrote into the current folder."""
    me = read_image("me.png")
    results = [
        f"outputs/{name}.png" for name in ("me/photo_to_other", "me/photo_to_mannequin6", "me/photo_to_mannequin0")
    ]
    plain = [f"outputs/{name}/photo_to_other.png" for name in ("plain", "fitted", "me")]
    with Image.open("walk.gif") as walk:
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(walk)]
    return {
        "start": sheet(["photo.png", "other.png"], cell=(240, 280)),
        "joints": sheet(["pose.png", "other_pose.png"], cell=(240, 280)),
        "fitted": contact_sheet([[me]], ["me.png"]),
        "retargeted": read_image("retargeted.png"),
        "results": contact_sheet([[me, *map(read_image, results)]], ("me.png", "other.png", "6", "0")),
        "walk": contact_sheet([frames], [str(number) for number in range(1, len(frames) + 1)], (192, 132)),
        "without": contact_sheet([[*map(read_image, plain)]], ("neither", "--fit", "--fit --retarget")),
    }


def sheet(files: Sequence[str], cell: tuple[int, int]) -> Image.Image:
    return contact_sheet([[read_image(file) for file in files]], files, cell)


if __name__ == "__main__":
    main()
