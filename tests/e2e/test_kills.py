"""Commands that are killed again and again end as if they had not been: nothing is lost, torn or left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from cfld.claims import LOCK
from cfld.cli.output import encode_video
from cfld.pipeline import CFLDPipeline
from cfld.study.definition import open_study
from support.commands import error_line
from support.killing import Arguments, kill_after, start
from support.study import create_arguments, save_folders

QUICK = ("--steps", "2", "--device", "cpu", "--batch", "1")
TRAINING = ("--config.max-steps", "6", "--config.checkpoint-every", "2", "--config.log-with", "none")
PEOPLE = ("--config.data.identities", "2", "--config.data.poses", "2", "--config.data.workers", "1")


@dataclass(frozen=True)
class Case:
    """A command that may be killed.

    Attributes:
        arguments: without --out.
        out: name of its output.
        check: raises for an output that is torn; called whenever there is one, and at the end.
        same: the final files of every run are the same to the bit, and a run continues or replaces those of another.
    """

    arguments: Arguments
    out: str
    check: Callable[[Path], object]
    same: bool = True

    def command(self, folder: Path) -> Arguments:
        return [*self.arguments, "--out", str(folder / self.out)]


def images(folder: Path) -> None:
    for file in folder.glob("*.png"):
        with Image.open(file) as image:
            image.load()
    assert not list(folder.glob("*.png")) or json.loads((folder / "config.json").read_text())


def video(file: Path) -> None:
    import av

    with av.open(str(file)) as container:
        assert sum(1 for _ in container.decode(video=0)) in (1, 4), "the old one has 1 image, the new one 4"


def run_folder(folder: Path) -> None:
    if (folder / "model").exists():
        CFLDPipeline.from_pretrained(folder / "model")


@pytest.fixture
def cases(tmp_path: Path, model_folder: Path, sd15_folder: Path, photo: Path) -> dict[str, Case]:
    save_folders(tmp_path / "study-images")
    one = ["--source", str(photo), "--model", str(model_folder), *QUICK]
    questions = ("--images", "2", "--comparisons", "2")
    return {
        "generate": Case(["generate", *one, "--target-pose", *map(str, range(6))], "images", images),
        "animate": Case(["animate", *one, "--poses", "walk", "--frames", "4"], "walk.mp4", video),
        "convert": Case(
            ["convert", "--base", str(sd15_folder), "--preset", "tiny"],
            "model",
            CFLDPipeline.from_pretrained,
            same=False,
        ),
        "study": Case([*create_arguments(tmp_path / "study-images"), *questions], "study", open_study, same=False),
        "train": Case(["train", "tiny", *TRAINING, *PEOPLE], "run", run_folder),
    }


def files(folder: Path) -> dict[str, bytes]:
    """Content by name; not that of pickles, whose bytes may differ."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pt")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def finish(case: Case, folder: Path, printed: Path) -> float:
    """Runs the command to its end; returns the seconds that took."""
    before = time.monotonic()
    process = start(case.command(folder), printed)
    process.join()
    assert process.exitcode == 0, printed.read_text()
    case.check(folder / case.out)
    return time.monotonic() - before


def kill_often(case: Case, kills: int, tmp_path: Path) -> None:
    whole, broken, printed = tmp_path / "whole", tmp_path / "broken", tmp_path / "printed"
    for folder in (whole, broken):
        folder.mkdir()
    out, killed = broken / case.out, 0
    longest = finish(case, whole, printed)
    if case.out.endswith(".mp4"):
        encode_video([Image.new("RGB", (64, 64))], out, 100)  # a run replaces it
    while killed < kills:
        process = start(case.command(broken), printed)
        hit = kill_after(process, lambda: any(broken.rglob(f"*{LOCK}")), longest)
        killed += hit
        if out.exists():
            case.check(out)
            if out.is_dir() and not (case.same and hit):
                shutil.rmtree(out)  # a folder that is complete is refused, or leaves the next run nothing to do
    finish(case, broken, printed)
    found, expected = files(broken), files(whole)
    if case.same:
        assert found.keys() == expected.keys()
        assert [name for name in found if found[name] != expected[name]] == []
    assert [path for path in broken.rglob(".*") if path.name.endswith(LOCK) or path.name.startswith(".cfld")] == []


NAMES = ("generate", "animate", "convert", "study", "train")


@pytest.mark.parametrize("name", NAMES)
def test_a_command_killed_twice(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    kill_often(cases[name], 2, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_command_killed_twenty_times(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    kill_often(cases[name], 20, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_the_second_command_is_refused_while_the_first_lives(
    name: str, cases: dict[str, Case], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    command, printed = cases[name].command(tmp_path / "out"), tmp_path / "printed"
    first = start(command, printed)
    try:
        while not any(lock.stat().st_size for lock in (tmp_path / "out").rglob(f"*{LOCK}")):
            assert first.is_alive(), printed.read_text()
        os.kill(first.pid or 0, signal.SIGSTOP)
        before = sorted((tmp_path / "out").rglob("*"))
        assert f"process {first.pid} is writing to it" in error_line(capsys, *command)
        assert sorted((tmp_path / "out").rglob("*")) == before
    finally:
        first.kill()
        first.join()
