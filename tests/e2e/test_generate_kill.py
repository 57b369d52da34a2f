"""`cfld generate`, killed again and again: nothing is lost, and nothing old is taken for new."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from cfld.cli import main

POSES = ("7", "8", "9")


@pytest.fixture
def command(tmp_path: Path, person: Image.Image, model_folder: Path) -> Callable[[str], list[str]]:
    """Output folder -> the command, for two people in three poses."""
    shutil.copytree(model_folder, tmp_path / "model")
    people = tmp_path / "people"
    people.mkdir()
    for i in range(2):
        person.rotate(180 * i).resize((44, 64)).save(people / f"p{i}.png")

    def arguments(out: str) -> list[str]:
        where = ["--source", str(people), "--out", str(tmp_path / out), "--model", str(tmp_path / "model")]
        return ["generate", *where, "--target-pose", *POSES, "--steps", "1", "--batch", "1", "--device", "cpu"]

    return arguments


def images(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("*.png")}


def kill_at(arguments: list[str], out: Path, count: int) -> bool:
    """Starts, sends SIGKILL when there are so many images, and says whether the process died of it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cfld.inference.generation", "cfld.pipeline"])
    process = context.Process(target=main, args=(arguments,))
    process.start()
    while process.is_alive() and len(images(out)) < count:
        time.sleep(0.0005)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def pixels(folder: Path) -> dict[str, np.ndarray]:
    return {name: np.asarray(Image.open(folder / name)).astype(int) for name in images(folder)}


def test_killed_runs_end_as_an_unbroken_one(command: Callable[[str], list[str]], tmp_path: Path) -> None:
    main(command("whole"))
    out, kills = tmp_path / "killed", 0
    for count in (1, 2, 4):
        before = images(out)
        kills += kill_at(command("killed"), out, count)
        kept = [name for name, date in images(out).items() if before.get(name) == date]
        assert len(kept) >= len(before) - 1, "more than the image at which it was killed was generated again"
    assert kills >= 2
    half = sorted(out.glob("*.png"))[0]
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    before = images(out)
    main(command("killed"))
    whole, found = pixels(tmp_path / "whole"), pixels(out)
    assert whole.keys() == found.keys()
    assert len(found) == 2 * len(POSES)
    assert max(np.abs(whole[name] - found[name]).max() for name in whole) <= 1
    after = images(out)
    main(command("killed"))
    assert images(out) == after, "a complete folder was generated again"


def test_a_changed_source_and_another_model_at_the_same_path(
    command: Callable[[str], list[str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    main(command("out"))
    before = images(tmp_path / "out")
    file = tmp_path / "people" / "p1.png"
    date = file.stat()
    Image.eval(Image.open(file), lambda value: 255 - value).save(file)
    os.utime(file, ns=(date.st_atime_ns, date.st_mtime_ns))
    main(command("out"))
    after = images(tmp_path / "out")
    assert {name for name in after if after[name] != before[name]} == {f"p1_to_mannequin{pose}.png" for pose in POSES}
    assert "images generated again: 3 (3 source changed)" in caplog.messages
    weights = tmp_path / "model" / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({name: 0.5 * tensor for name, tensor in load_file(weights).items()}, weights, {"format": "pt"})
    main(command("out"))
    assert "images generated again: 6 (6 model changed)" in caplog.messages
