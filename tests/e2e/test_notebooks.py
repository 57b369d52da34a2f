"""The notebooks of `examples/`: they run in an empty folder, and what is committed in them comes from their cells."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
RUNNER = runpy.run_path(str(EXAMPLES / "run_notebooks.py"))
MAX_BYTES = 300_000

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def told(notebook: NotebookNode) -> list[tuple[str, list[str]]]:
    """Of each code cell what it printed, and of what kinds its images are."""
    return [
        (
            "".join(output.text for output in cell.outputs if output.output_type == "stream"),
            [kind for output in cell.outputs for kind in output.get("data", {})],
        )
        for cell in RUNNER["code_cells"](notebook)
    ]


def test_there_are_three() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03"]


@every_notebook
def test_runs_in_an_empty_folder_and_says_what_is_committed(path: Path, tmp_path: Path) -> None:
    """Words to the letter; images may differ between machines in their last bits."""
    assert told(RUNNER["run"](path, tmp_path)) == told(read(path))


@every_notebook
def test_what_is_committed_is_of_these_cells(path: Path) -> None:
    """`python examples/run_notebooks.py` renews it."""
    notebook = read(path)
    nbformat.validate(notebook)
    cells = RUNNER["code_cells"](notebook)
    assert notebook.metadata["cells_sha256"] == RUNNER["digest"](notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
    assert sum("image/jpeg" in kinds or "image/gif" in kinds for _, kinds in told(notebook)) >= 4


@every_notebook
def test_small_and_of_no_machine(path: Path) -> None:
    assert path.stat().st_size < MAX_BYTES
    words = "\n".join(text for text, _ in told(read(path))) + "\n".join(cell.source for cell in read(path).cells)
    assert not re.search(r"(?<![\w.])/[a-z]+/|[A-Z]:\\| at 0x[0-9A-Fa-f]+", words)
    assert {kind for _, kinds in told(read(path)) for kind in kinds} <= {"image/jpeg", "image/gif"}


@every_notebook
def test_words_lead_and_links_lead_somewhere(path: Path) -> None:
    cells = read(path).cells
    assert cells[0].source.startswith("# ")
    assert sum(cell.cell_type == "markdown" for cell in cells) >= len(cells) / 3
    links = re.findall(r"\]\(([^)\s]+)\)", "\n".join(cell.source for cell in cells if cell.cell_type == "markdown"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_a_failing_cell_fails_and_leaves_the_file_alone(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ipynb"
    cells = [nbformat.v4.new_code_cell("print('before')"), nbformat.v4.new_code_cell("1 / 0")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), broken)
    before = broken.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        RUNNER["main"]((broken,))
    assert broken.read_bytes() == before


def test_outputs_are_written_into_the_file_without_noise(tmp_path: Path) -> None:
    path = tmp_path / "noisy.ipynb"
    noisy = (
        "import sys\nfrom PIL import Image\nprint('kept')\nprint('progress', file=sys.stderr)\nImage.new('RGB', (9, 9))"
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(noisy)]), path)
    RUNNER["main"]((path,))
    first = path.read_bytes()
    assert told(read(path)) == [("kept\n", ["image/jpeg"])]
    RUNNER["main"]((path,))
    assert path.read_bytes() == first
