"""Outputs against inputs: by every name that a file can have, for every command."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from cfld.claims import LOCK, WRITTEN, Input, Output, claimed_folder
from cfld.cli.paths import outputs


@dataclass(frozen=True)
class Group:
    """Nested options."""

    texts: Annotated[tuple[tuple[str, ...], ...], Input()] = ()
    scheduler: str = "out.png"


@dataclass(frozen=True)
class Command:
    """A command with outputs and inputs of every kind."""

    out: Annotated[Path | None, Output("file", (".png",), companions=("{}.json",))] = None
    folder: Annotated[Path | None, Output()] = None
    whole: Annotated[Path | None, Output("whole folder")] = None
    listed: Annotated[Path | None, Output(entries=("table*.md", "runs"))] = None
    shared: Annotated[Path | None, Output("shared folder")] = None
    source: Path | None = None
    sources: tuple[Path, ...] = ()
    group: Group = Group()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.png", "in/deep/b.png", "c.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


def check(command: Command) -> None:
    with outputs(command):
        pass


def refused(command: Command, message: str) -> None:
    before = sorted(map(str, Path().rglob("*")))
    with pytest.raises(ValueError, match=message):
        check(command)
    assert sorted(map(str, Path().rglob("*"))) == before


def symlink(to: Path, link: Path) -> None:
    link.symlink_to(to.absolute())


@pytest.mark.parametrize("alias", [symlink, os.link, lambda _, link: link.with_suffix(".PNG").touch()])
def test_an_input_under_another_name_is_no_output(here: Path, alias: Callable[[Path, Path], None]) -> None:
    alias(Path("c.png"), Path("other.png"))
    if Path("other.png").exists():
        refused(Command(out=Path("other.png"), source=Path("c.png")), "other.png is also an input")
        refused(Command(out=Path("c.png"), sources=(Path("other.png"),)), "c.png is also an input")
    refused(Command(out=here / "in" / ".." / "c.png", source=Path("c.png")), "c.png is also an input")


def test_nothing_lies_in_a_folder_that_is_read(here: Path) -> None:
    for out in (Path("in/new.png"), Path("in/deep/new.png"), here / "in" / "deeper" / "new.png"):
        refused(Command(out=out, source=Path("in")), r"new.png lies in in, which is an input; .* for --out")
    for name in ("folder", "whole", "shared"):
        refused(Command(**{name: Path("in/new")}, source=Path("in")), rf"in/new lies in in, .* for --{name}")
        refused(Command(**{name: Path("in")}, source=Path("in")), "in is also an input")
    symlink(Path("in"), Path("link"))
    refused(Command(out=Path("link/new.png"), source=Path("in")), "lies in in")
    refused(Command(out=Path("in/new.png"), source=Path("link")), "lies in link")
    check(Command(out=Path("new.png"), source=Path("in/a.png")))


def test_nothing_lies_in_a_folder_that_is_linked_to_from_one_that_is_read() -> None:
    Path("data").mkdir()
    symlink(Path("in"), Path("data/train"))
    refused(Command(folder=Path("in/new"), source=Path("data")), "in/new lies in data/train")


def test_no_input_lies_in_an_output_but_for_a_shared_one() -> None:
    for name in ("folder", "whole"):
        refused(Command(**{name: Path("in")}, source=Path("in/deep/b.png")), "in contains in/deep/b.png")
    check(Command(shared=Path("in"), source=Path("in/deep/b.png")))


@pytest.mark.parametrize(
    "text", ["in", "ours=in", "ours=in/{source}_to_{target}.png", "in/{index}.png", "in/x_{index}"]
)
def test_texts_that_name_a_folder_count(text: str) -> None:
    refused(Command(folder=Path("in/new"), group=Group(texts=(("7", text),))), "in/new lies in in")


def test_other_texts_do_not() -> None:
    Path("out.png").touch()
    Path("mannequin").mkdir()
    check(Command(out=Path("out.png"), folder=Path("mannequin"), group=Group(texts=(("mannequin", "7"),))))


def test_the_files_beside_an_output_are_outputs() -> None:
    Path("new.png.json").touch()
    refused(Command(out=Path("new.png"), source=Path("new.png.json")), "new.png.json is also an input")


def test_outputs_differ() -> None:
    refused(Command(folder=Path("new"), whole=Path("in/../NEW")), "written for --folder and --whole")


def test_an_output_has_the_kind_that_is_written() -> None:
    Path("folder.png").mkdir()
    os.mkfifo("pipe.png")
    for out, message in (
        ("a.gif", "use one of .png"),
        ("folder.png", "is a folder"),
        ("pipe.png", "not a regular file"),
    ):
        refused(Command(out=Path(out)), message)
    refused(Command(out=Path("x" * 252 + ".png")), "at most 255")
    refused(Command(out=Path("x" * 248 + ".png")), "at most 255")
    refused(Command(folder=Path("c.png")), "c.png is a file")
    check(Command(out=Path("A.PNG")))


def test_outputs_are_claimed_while_the_command_runs() -> None:
    command = Command(out=Path("new/a.png"), folder=Path("new/run"), whole=Path("new/model"), shared=Path("cache"))
    with outputs(command):
        found = sorted(map(str, Path("new").rglob("*")))
        assert found == [f"new/.a.png{LOCK}", f"new/.model{LOCK}", "new/run", f"new/run/{LOCK}"]
    assert sorted(map(str, Path().iterdir())) == ["c.png", "in"]


def test_a_refused_command_leaves_no_folder() -> None:
    with claimed_folder(Path("run")):
        before = sorted(map(str, Path().rglob("*")))
        errors: list[str] = []

        def other() -> None:
            with pytest.raises(ValueError, match="is writing to it") as error:
                check(Command(out=Path("new/a.png"), folder=Path("run")))
            errors.append(str(error.value))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert errors
        assert sorted(map(str, Path().rglob("*"))) == before


@pytest.mark.parametrize("name", ["table3.md", "runs"])
def test_a_command_replaces_only_what_it_wrote(name: str) -> None:
    """A folder of the user may hold anything else."""
    for path in ("home/notes.md", f"home/{name}"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).touch()
    refused(Command(listed=Path("home")), f"home holds {name}, which this command did not write")
    Path("home", name).unlink()
    check(Command(listed=Path("home")))
    assert [path.name for path in Path("home").iterdir()] == ["notes.md"]  # nothing was written, nothing is listed
    with outputs(Command(listed=Path("home"))):
        Path("home", name).touch()
    check(Command(listed=Path("home")))
    Path("home", "table5.md").touch()
    check(Command(listed=Path("home")))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: symlink(Path("c.png"), Path(path))])
def test_the_list_of_entries_is_a_regular_file(make: Callable[[str], None]) -> None:
    Path("home").mkdir()
    make(f"home/{WRITTEN}")
    refused(Command(listed=Path("home")), "is not a list of cfld; rename it")
    assert Path("c.png").read_bytes() == b""


def test_a_file_of_the_user_stays_where_the_list_is_damaged() -> None:
    Path("home").mkdir()
    Path("home/table3.md").touch()
    Path("home", WRITTEN).write_bytes(b"\n../x\n*\0\n")
    refused(Command(listed=Path("home")), "did not write")
