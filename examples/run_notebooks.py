"""Runs the notebooks of this folder and saves their outputs in them, images as JPEG.

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
"""Time limit of a cell."""


def main(notebooks: Annotated[tuple[Path, ...], Positional] = ()) -> None:
    """Run notebooks, each in a fresh kernel and an empty folder, and write their outputs into them.

    Args:
        notebooks: default: all in this folder. A notebook that fails is not changed.
    """
    for path in notebooks or sorted(EXAMPLES.glob("*.ipynb")):
        with TemporaryDirectory() as folder:
            finished = run(path, Path(folder))
        nbformat.write(finished, path)
        print(path)


def run(path: Path, folder: Path) -> NotebookNode:
    """Runs a notebook in a fresh kernel with the working directory `folder`.

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
    """Hash of the code, by which a test checks that the saved outputs belong to it."""
    return hashlib.sha256("\0".join(cell.source for cell in code_cells(notebook)).encode()).hexdigest()


def small(output: NotebookNode) -> NotebookNode:
    """An image output reduced to JPEG or GIF, without the PNG and the object's address that Pillow adds."""
    images = {kind: data for kind, data in output.get("data", {}).items() if kind in ("image/jpeg", "image/gif")}
    return NotebookNode({**output, "data": images}) if images else output


if __name__ == "__main__":
    tyro.cli(main)
