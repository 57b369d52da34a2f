"""What the documents say is so: commands parse, links lead somewhere, files and names exist, the README's code runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from cfld import CFLDPipeline
from cfld.cli import parse

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/cfld"
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = [*sorted((PACKAGE / "cli").glob("*.py")), PACKAGE / "config/presets.py", PACKAGE / "training/loop.py"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def shell_lines(document: Path) -> Iterator[str]:
    """The lines of a document's `bash` blocks, continued lines joined, comments off."""
    for language, block in FENCE.findall(document.read_text()):
        if language == "bash":
            for line in block.replace("\\\n", " ").splitlines():
                if words := shlex.split(line, comments=True):
                    yield shlex.join(words)


def program_lines(module: Path) -> Iterator[str]:
    """The commands in a module's docstrings: whole lines, and what stands between backticks with an option."""
    text = module.read_text()
    yield from re.findall(r"^ *((?:torchrun .* -m cfld|cfld|python -m cfld) [a-z].*)$", text, re.MULTILINE)
    yield from re.findall(r"`((?:torchrun [^`]* -m )?cfld [a-z][^`]* --[^`]*)`", text)


COMMANDS = sorted(
    {(relative(document), line) for document in DOCUMENTS for line in shell_lines(document)}
    | {(relative(module), line) for module in PROGRAMS for line in program_lines(module)}
)


def cfld_arguments(line: str) -> list[str] | None:
    """The arguments of a `cfld` command line; None for other commands."""
    words = shlex.split(line, comments=True)
    return words[words.index("cfld") + 1 :] if "cfld" in words else None


def subcommands(capsys: pytest.CaptureFixture[str]) -> set[str]:
    with pytest.raises(SystemExit):
        parse(["--help"])
    usage = re.search(r"\{([\w,-]+)\}", capsys.readouterr().out)
    assert usage
    return set(usage[1].split(","))


@pytest.mark.parametrize(("document", "line"), [(d, c) for d, c in COMMANDS if cfld_arguments(c)])
def test_commands_parse(document: str, line: str) -> None:
    assert hasattr(parse(cfld_arguments(line)), "run"), document


@pytest.mark.parametrize(("document", "line"), [(d, c) for d, c in COMMANDS if not cfld_arguments(c)])
def test_other_commands_exist(document: str, line: str) -> None:
    program, *arguments = line.split()
    if program == "make":
        targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert targets.issuperset(arguments), document
    else:
        assert program in ("git", "python", "pip", ".venv/bin/pre-commit"), document
        assert all((ROOT / argument).exists() for argument in arguments if argument.endswith(".py")), document


def test_commands_were_found() -> None:
    """The patterns above still see what people see."""
    documents = {document for document, _ in COMMANDS}
    assert {"README.md", "docs/data.md", "src/cfld/cli/train.py", "src/cfld/config/presets.py"} <= documents


def test_a_command_that_is_wrong_does_not_parse(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(["generate", "--sauce", "me.jpg", "--out", "x"])
    assert stopped.value.code == 2
    assert "--sauce" in capsys.readouterr().err


def test_the_readme_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    listed = re.findall(r"^\| `cfld ([\w-]+)`", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(subcommands(capsys))


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_relative_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", FENCE.sub("", document.read_text()))
    broken = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_files_that_are_named_exist(document: Path) -> None:
    names = re.findall(r"(?<![\w/.-])((?:[\w-]+/)*[\w-]+\.py)\b", document.read_text())
    folders = re.findall(r"`((?:src/|docs/|tests/)?(?:[a-z]+/)+)`", document.read_text())
    places = (ROOT, PACKAGE)
    saved_model = {"unet/", "vae/", "scheduler/", "conditioner/"}
    missing = {
        name for name in [*names, *folders] if name not in saved_model and not any((p / name).exists() for p in places)
    }
    assert missing - {"utils.py"} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_tests_that_are_named_exist(document: Path) -> None:
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", document.read_text())
    assert [(file, test) for file, test in named if f"def {test}(" not in (ROOT / file).read_text()] == []


def symbol_rows() -> list[tuple[str, str]]:
    """(symbol in code, files) of the table of the paper's symbols."""
    text = (ROOT / "docs/architecture.md").read_text()
    table = text.split("## The paper's symbols")[1].split("## ")[0]
    rows = [line.split("|")[2:4] for line in table.splitlines() if line.startswith("|")][2:]
    return [(symbol, files) for code, files in rows for symbol in re.findall(r"`([\w.]+)`", code)]


@pytest.mark.parametrize(("symbol", "files"), symbol_rows())
def test_symbols_stand_where_the_table_says(symbol: str, files: str) -> None:
    texts = [(PACKAGE / name).read_text() for name in re.findall(r"`([\w/.]+)`", files)]
    assert any(re.search(rf"\b{symbol.rpartition('.')[2]}\b", text) for text in texts)


def test_every_room_is_on_the_map() -> None:
    text = (ROOT / "docs/architecture.md").read_text().split("## Rooms")[1].split("```")[1]
    drawn = {name for line in text.splitlines() for name in line[:40].replace("|", " ").split()}
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    assert drawn == {room for room in rooms if not room.startswith("__")}


def test_the_readmes_python_runs(pipe: CFLDPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = (block for language, block in FENCE.findall((ROOT / "README.md").read_text()) if language == "python")
    monkeypatch.setattr(CFLDPipeline, "from_pretrained", {"mannequin": pipe}.get)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    (result,) = tmp_path.glob("*.png")
    height, width = pipe.config.output_size
    assert Image.open(result).size == (width, height)


def test_the_reference_covers_every_package() -> None:
    """The site's pages name every package and module of the method and of the wings that other programs import."""
    pages = "\n".join(page.read_text() for page in (ROOT / "docs/reference").glob("*.md"))
    named = set(re.findall(r"^::: cfld\.(\w+)$", pages, re.MULTILINE))
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    applications = {"ablations", "app", "cli", "reproduction", "study", "web"}
    assert named == {room for room in rooms if not room.startswith("__")} - applications
