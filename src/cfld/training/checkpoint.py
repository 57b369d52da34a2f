"""A run's state on disk: complete folders, of which the newest two are kept.

A run killed in the middle of a save leaves an incomplete folder under another name, which is never read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from cfld.digests import Record
from cfld.files import whole_folder
from cfld.readers.tensors import load_pickle, load_safetensors
from cfld.readers.text import load_object

KEPT: Final = 2
FILES: Final = ("weights.safetensors", "average.safetensors", "optimizer.pt", "state.json")
STATE: Final = FILES[-1]
_NAME: Final = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Everything that the rest of a run depends on, beside its configuration. Randomness is a function of the step.

    Attributes:
        step: optimiser steps done.
        weights: the trained parameters, by name.
        average: their moving average; empty for a run without one.
        optimizer, scaler: state dictionaries.
        facts: what must be unchanged when the run is resumed: the number of processes, and digests of weights and data.
    """

    step: int
    weights: Mapping[str, Tensor]
    average: Mapping[str, Tensor] = field(default_factory=dict)
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    scaler: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str | int] = field(default_factory=dict)


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Writes `folder/step-...` and then removes its other checkpoints but for the newest `KEPT`.

    Raises:
        OSError: in one line, when it cannot be written; existing checkpoints stay.
    """
    path = folder / f"step-{checkpoint.step:08d}"
    try:
        with whole_folder(path) as temporary:
            save_file(_plain(checkpoint.weights), temporary / "weights.safetensors")
            save_file(_plain(checkpoint.average), temporary / "average.safetensors")
            torch.save(dict(checkpoint.optimizer), temporary / "optimizer.pt")
            state = {"step": checkpoint.step, "scaler": dict(checkpoint.scaler), "facts": dict(checkpoint.facts)}
            (temporary / STATE).write_text(json.dumps(state), encoding="utf-8")
            record = Record(temporary)
            for name in FILES:
                record.add(temporary / name, {})
    except (OSError, SafetensorError, RuntimeError) as error:
        last = newest_checkpoint(folder)
        kept = f"the last one, {last.name}, is complete" if last else "there is none yet"
        raise OSError(f"{path}: the checkpoint cannot be saved ({' '.join(str(error).split())}); {kept}") from None
    for old in [path for path in _checkpoints(folder) if _is_own(path)][:-KEPT]:
        _remove(old)
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads what `save_checkpoint` wrote, without executing anything in the files.

    Raises:
        ValueError: naming the folder and the file, when it is damaged.
    """
    try:
        _check_files(path)
        state = load_object(path / STATE)
        return Checkpoint(
            weights=load_safetensors(path / "weights.safetensors"),
            average=load_safetensors(path / "average.safetensors"),
            optimizer=load_pickle(path / "optimizer.pt"),
            **state,
        )
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: a damaged checkpoint ({reason}); remove it to resume from the one before") from None


def newest_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint of the highest step, if there is any."""
    return next(reversed(_checkpoints(folder)), None)


def steps_done(path: Path) -> int:
    """The step of the checkpoint in a folder."""
    return int(path.name.removeprefix("step-"))


def _check_files(path: Path) -> None:
    """Raises ValueError naming a file that is not, or not known to be, what was written."""
    record = Record(path)
    for name in FILES:
        if problem := record.problem(path / name, {}):
            raise ValueError(f"{name} is {problem}")


def _is_own(path: Path) -> bool:
    """Whether the folder contains the state of the step that its name says, and is not a user's own."""
    try:
        return bool(load_object(path / STATE)["step"] == steps_done(path))
    except (OSError, ValueError, KeyError):
        return False


def _remove(path: Path) -> None:
    """Removes a checkpoint; other files in the folder stay."""
    for name in (*FILES, Record.NAME):
        (path / name).unlink(missing_ok=True)
    with suppress(OSError):
        path.rmdir()


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}


def _checkpoints(folder: Path) -> list[Path]:
    """Oldest first."""
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=steps_done)
