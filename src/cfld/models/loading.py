"""Loads one component of a diffusers folder and accounts for every weight.

Diffusers initialises weights that a file lacks at random and mentions it in the log only; here that is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from cfld.readers.tensors import check_finite
from cfld.readers.text import load_object


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
    saved_class = load_object(path / "config.json").get("_class_name", cls.__name__)
    if saved_class != cls.__name__:
        raise ValueError(f"{path} holds a {saved_class}, expected a {cls.__name__}")
    options = {"torch_dtype": torch.float32, **options}
    try:
        model, info = cls.from_pretrained(folder, subfolder=name, output_loading_info=True, **options)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise ValueError(f"{path} does not load: {' '.join(str(error).split())[:300]}") from error
    check_finite(model.state_dict(), path)
    if problems := [_summary(kind, info[f"{kind}_keys"]) for kind in ("missing", "unexpected") if info[f"{kind}_keys"]]:
        raise ValueError(f"{path} does not fit its config.json: {'; '.join(problems)}")
    return model


def _summary(kind: str, keys: list[str]) -> str:
    return f"{len(keys)} {kind} weights ({', '.join(sorted(keys)[:3])}{', ...' if len(keys) > 3 else ''})"
