"""Loads one component of a diffusers folder and accounts for every weight.

Diffusers initialises weights that a file lacks at random and mentions it in the log only; here that is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch

from cfld.readers.tensors import check_finite, check_safetensors
from cfld.readers.text import load_object

MAX_NUMBER: Final = 100_000
"""In a configuration file: channels, pixels, timesteps."""
MAX_LAYERS: Final = 256
LAYERS: Final = ("layers", "depth", "attentions_per_block")
"""Words in the names of numbers of layers."""


def load_component(cls: type[Any], folder: str | Path, name: str, **options: Any) -> Any:
    """Loads a component in evaluation mode, in float32 unless `options` give a `torch_dtype`.

    Args:
        cls: its class.
        folder: the model's folder.
        name: of its subfolder: conditioner, unet or vae.
        options: of `ModelMixin.from_pretrained`.

    Raises:
        ValueError: if the component is missing, of another class or cannot be loaded, or naming the missing,
            unexpected, NaN and infinite weights.
    """
    path = Path(folder) / name
    if not (path / "config.json").is_file():
        raise ValueError(f"{folder}: no {name}/config.json; expected a model folder in diffusers layout")
    saved_class = component_config(path / "config.json").get("_class_name", cls.__name__)
    if saved_class != cls.__name__:
        raise ValueError(f"{path} holds a {saved_class}, expected a {cls.__name__}")
    options = {"torch_dtype": torch.float32, **options}
    with construction(path):
        for file in path.glob("*.safetensors"):
            check_safetensors(file)
        model, info = cls.from_pretrained(folder, subfolder=name, output_loading_info=True, **options)
    check_finite(model.state_dict(), path)
    if problems := [_summary(kind, info[f"{kind}_keys"]) for kind in ("missing", "unexpected") if info[f"{kind}_keys"]]:
        raise ValueError(f"{path} does not fit its config.json: {'; '.join(problems)}")
    return model


def component_config(path: str | Path) -> dict[str, Any]:
    """Reads the `config.json` of a component.

    Raises:
        ValueError: naming the file, if it is no JSON object, or a number in it would take forever to build.
    """
    values = load_object(path)
    for name, value in values.items():
        limit = MAX_LAYERS if any(word in name for word in LAYERS) else MAX_NUMBER
        if large := [number for number in _numbers(value) if not abs(number) <= limit]:
            raise ValueError(f"{path}: {name} is {large[0]}; the limit is {limit:,}")
    return values


@contextmanager
def construction(what: str | Path) -> Iterator[None]:
    """Turns all errors of building a module from a configuration file into one line; the cause is attached.

    The constructors of diffusers check few of their arguments, so that a wrong value can end in any error.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"{what} does not load: {reason}") from error


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _numbers(item)
    elif isinstance(value, int | float):
        yield value


def _summary(kind: str, keys: list[str]) -> str:
    return f"{len(keys)} {kind} weights ({', '.join(sorted(keys)[:3])}{', ...' if len(keys) > 3 else ''})"
