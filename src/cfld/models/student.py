"""The folder of a student of few steps: a LoRA of its teacher's UNet, and how to sample with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Final

from safetensors.torch import save
from torch import Tensor

from cfld.files import replacing_all
from cfld.ranges import Range, check_ranges
from cfld.readers.tensors import check_finite, load_safetensors
from cfld.readers.text import load_object

WEIGHTS: Final = "pytorch_lora_weights.safetensors"
"""diffusers' name: `unet.load_lora_adapter(folder, prefix="unet")` reads it."""
SETTINGS: Final = "student.json"
INDEX: Final = "model_index.json"
PREFIX: Final = "unet."


@dataclass(frozen=True, kw_only=True)
class Student:
    """How to sample with a student.

    Raises:
        ValueError: for numbers out of range.
    """

    steps: Annotated[int, Range(1, 50)]
    """Recommended number of steps."""
    pose_guidance_scale: Annotated[float, Range(-1000, 1000)]
    appearance_guidance_scale: Annotated[float, Range(-1000, 1000)]
    """The weights of eq. 7 that are distilled into it: its one branch contains the guidance."""

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def sampling(self) -> dict[str, Any]:
        """The fields of a recipe that it determines: the model's own scheduler, and its steps, all alike."""
        return {"steps": self.steps, "scheduler": None, "guidance_interval": (0.0, 1.0), "feature_cache": 1}

    @classmethod
    def of(cls, values: Any, where: str | Path) -> Student:
        """Raises ValueError, naming `where`, unless the values are those of a student."""
        names = {f.name for f in fields(cls)}
        if (
            not isinstance(values, dict)
            or values.keys() != names
            or any(type(value) not in (int, float) for value in values.values())
        ):
            raise ValueError(f"{where}: expected numbers {', '.join(sorted(names))}, got {str(values)[:200]}")
        return cls(**values)


def save_student(folder: Path, student: Student, lora: Mapping[str, Tensor], teacher: str | None = None) -> None:
    """Writes a folder for `CFLDPipeline.load_student`, with weights in half precision.

    Args:
        lora: as of `LowRankUpdate.lora_state`.
        teacher: name of the model that it is loaded with where none is given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    half = {PREFIX + name: tensor.half().contiguous().cpu() for name, tensor in lora.items()}
    with replacing_all(folder / WEIGHTS, folder / SETTINGS) as (weights, settings):
        weights.write_bytes(save(half))
        values = asdict(student) | ({} if teacher is None else {"teacher": teacher})
        settings.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def load_student(folder: Path) -> tuple[Student, dict[str, Tensor]]:
    """Reads what `save_student` wrote.

    Raises:
        ValueError: if the folder holds no student, or a damaged one.
    """
    if not (folder / SETTINGS).is_file():
        raise ValueError(f"{folder}: no {SETTINGS}; expected a student, the lora/ of a run of cfld train with distill")
    student = load_settings(folder)
    weights = check_finite(load_safetensors(folder / WEIGHTS), folder / WEIGHTS)
    if foreign := [name for name in weights if not name.startswith(PREFIX)]:
        raise ValueError(f"{folder / WEIGHTS}: {foreign[0]} is not of a UNet")
    return student, {name.removeprefix(PREFIX): tensor for name, tensor in weights.items()}


def load_settings(folder: Path) -> Student:
    """Reads how to sample with the student in a folder."""
    values = load_object(folder / SETTINGS)
    values.pop("teacher", None)
    return Student.of(values, folder / SETTINGS)


def teacher_of(folder: Path) -> str | None:
    """The name of the model that the student in a folder is loaded with; None = the folder is no such student."""
    if not (folder / SETTINGS).is_file():
        return None
    teacher = load_object(folder / SETTINGS).get("teacher")
    return teacher if isinstance(teacher, str) else None


def find_student(folder: Path) -> Student | None:
    """The student that a model folder is, or contains; None = it is none."""
    if (folder / SETTINGS).is_file():
        return load_settings(folder)
    values = load_object(folder / INDEX).get("student") if (folder / INDEX).is_file() else None
    return None if values is None else Student.of(values, folder / INDEX)
