"""Runs the notebooks of this folder and keeps what they print and draw in them, small.

python examples/run_notebooks.py
python examples/run_notebooks.py examples/01_quickstart.ipynb
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import nbformat
import tyro
from nbclient import NotebookClient
from nbformat import NotebookNode
from tyro.conf import Positional

EXAMPLES = Path(__file__).parent
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
SECONDS = 300
"""That a cell may take."""


def main(notebooks: Annotated[tuple[Path, ...], Positional] = ()) -> None:
    """Run notebooks, each in a fresh kernel and an empty folder, and write their outputs into them.

    Args:
        notebooks: which; by default all of this folder. One that fails stays as it was.
    """
    for path in notebooks or sorted(EXAMPLES.glob("*.ipynb")):
        with TemporaryDirectory() as folder:
            finished = run(path, Path(folder))
        nbformat.write(finished, path)
        print(path)


def run(path: Path, folder: Path) -> NotebookNode:
    """The notebook as it comes out of a fresh kernel that works in `folder`.

    Raises:
        nbclient.exceptions.CellExecutionError: when a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    settings = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", record_timing=False, resources=settings).execute()
    for cell in code_cells(notebook):
        cell.outputs = [small(output) for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}, "cells_sha256": digest(notebook)}
    return notebook


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def digest(notebook: NotebookNode) -> str:
    """Of the code: tells whether outputs are those of the cells that they stand under."""
    return hashlib.sha256("\0".join(cell.source for cell in code_cells(notebook)).encode()).hexdigest()


def small(output: NotebookNode) -> NotebookNode:
    """An image as JPEG alone: Pillow gives notebooks a PNG and the object's address besides."""
    images = {kind: data for kind, data in output.get("data", {}).items() if kind in ("image/jpeg", "image/gif")}
    return NotebookNode({**output, "data": images}) if images else output


if __name__ == "__main__":
    tyro.cli(main)
