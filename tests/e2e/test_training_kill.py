"""A run that is killed again and again ends with the weights of a run that was not."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from cfld.config.presets import tiny
from cfld.config.schema import DataConfig
from cfld.training.checkpoint import KEPT
from cfld.training.loop import train

STEPS = 14
CONFIG = replace(
    tiny().with_stage(unet_weights="qkv"),
    data=DataConfig(kind="mannequin", identities=2, poses=2, workers=1),
    max_steps=STEPS,
    checkpoint_every=2,
    accumulation=2,
    ema_decay=0.9,
    log_with=("none",),
)

TEMPORARY = f".cfld-{'?' * 16}"

Moment = Callable[[Path], bool]
"""The run's folder -> whether to kill now."""


def start(out: Path) -> BaseProcess:
    """A process of its own, forked from one that has imported the package: a start costs no import."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cfld.training.loop"])
    process = context.Process(target=run, args=(out,))
    process.start()
    return process


def run(out: Path) -> None:
    multiprocessing.set_start_method("fork", force=True)  # for the data workers, as in a process started by hand
    train(CONFIG, out)


def kill_at(out: Path, moment: Moment) -> bool:
    """Starts, sends SIGKILL at the moment, and says whether the process died of it."""
    process = start(out)
    while process.is_alive() and not moment(out):
        time.sleep(0.0005)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def encoding(out: Path) -> bool:
    return any(out.glob("latents/*/moments.float16"))


def saving(out: Path) -> bool:
    return bool(unfinished(out))


def exporting(out: Path) -> bool:
    return any(out.glob(TEMPORARY))


def training(out: Path) -> bool:
    """Some time after the second complete checkpoint."""
    if len(list(out.glob("checkpoints/step-*"))) < 2:
        return False
    time.sleep(random.uniform(0.0, 0.5))
    return True


def unfinished(out: Path) -> list[Path]:
    return list(out.glob(f"checkpoints/{TEMPORARY}"))


def final_state(out: Path) -> dict[str, Any]:
    newest = out / "checkpoints" / f"step-{STEPS:08d}"
    optimizer = torch.load(newest / "optimizer.pt", weights_only=True)["state"]
    state = {f"{file} {name}": tensor for file in ("weights", "average") for name, tensor in _tensors(newest, file)}
    state |= {f"optimizer {i} {name}": value for i, values in optimizer.items() for name, value in values.items()}
    for part in ("unet", "conditioner", "vae"):
        state |= {f"{part} {name}": t for name, t in _tensors(out / "model" / part, "diffusion_pytorch_model")}
    return state


def _tensors(folder: Path, file: str) -> list[tuple[str, Any]]:
    return sorted(load_file(folder / f"{file}.safetensors").items())


def test_a_killed_run_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    unbroken = start(whole)
    kills, left_behind = 0, 0
    for moment in (encoding, saving, saving, training, saving, exporting):
        kills += kill_at(broken, moment)
        left_behind += len(unfinished(broken)) > 0
    assert kills >= 4
    assert left_behind >= 2, "too few kills hit a save"
    last = start(broken)
    for process in (unbroken, last):
        process.join()
        assert process.exitcode == 0
    expected, found = final_state(whole), final_state(broken)
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    assert list(broken.rglob(".*")) == []
    assert sorted(path.name for path in broken.iterdir()) == ["checkpoints", "config.json", "latents", "model"]
    assert len(list((broken / "checkpoints").iterdir())) == KEPT
