"""One model of a diffusers folder, with every weight accounted for.

Diffusers gives weights that a file lacks random values and says so in the log only; here that is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from cfld.files import load_object


def load_part(kind: type[Any], folder: str | Path, part: str, **options: Any) -> Any:
    """One model of a diffusers folder, in evaluation mode, in float32 where `options` say no `torch_dtype`.

    Args:
        kind: its class.
        options: of `ModelMixin.from_pretrained`.

    Raises:
        ValueError: naming the part that is missing, of another class, or does not load, and the weights that are
            missing or unexpected.
    """
    where = Path(folder) / part
    if not (where / "config.json").is_file():
        raise ValueError(f"{folder}: no {part}/config.json; expected a model folder in diffusers layout")
    described = load_object(where / "config.json").get("_class_name", kind.__name__)
    if described != kind.__name__:
        raise ValueError(f"{where} holds a {described}, expected a {kind.__name__}")
    options = {"torch_dtype": torch.float32, **options}
    try:
        model, info = kind.from_pretrained(folder, subfolder=part, output_loading_info=True, **options)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise ValueError(f"{where} does not load: {' '.join(str(error).split())[:300]}") from error
    problems = [_told(what, info[f"{what}_keys"]) for what in ("missing", "unexpected") if info[f"{what}_keys"]]
    if problems:
        raise ValueError(f"{where} does not fit its config.json: {'; '.join(problems)}")
    return model


def _told(what: str, keys: list[str]) -> str:
    return f"{len(keys)} {what} weights ({', '.join(sorted(keys)[:3])}{', ...' if len(keys) > 3 else ''})"
