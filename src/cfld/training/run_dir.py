"""The run directory, which belongs to one configuration:

config.json   checkpoints/step-*   logs/   pictures/   latents/   model/ (at the end, or when stopped)
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cfld.config import io
from cfld.config.schema import TrainConfig
from cfld.training.checkpoint import remove_incomplete

MAY_DIFFER: Final = (
    "max_steps",
    "epochs",
    "checkpoint_every",
    "log_every",
    "log_with",
    "image_every",
    "image_count",
    "data.workers",
    "data.cache_in_memory",
)
"""Fields that may change when a run is resumed: its length, what it reports, and the resources it uses."""


def check_run_dir(out: Path, config: TrainConfig) -> None:
    """Checks that `out` is new or empty, or contains a run with this configuration.

    Raises:
        ValueError: naming the fields that differ and the remedy.
    """
    file = out / "config.json"
    if file.is_file():
        if differing := differences(io.load(TrainConfig, file), config):
            raise ValueError(
                f"{out} contains a run with another configuration ({', '.join(differing)}); choose another --out, or "
                "repeat its configuration"
            )
    elif (out / "model").exists() or (out / "checkpoints").exists():
        raise ValueError(f"{out} contains a model but no config.json, so it is not a run; choose another --out")


def claim_run_dir(out: Path, config: TrainConfig) -> None:
    """Writes `config.json`, and removes the remains of a run that was killed while saving."""
    out.mkdir(parents=True, exist_ok=True)
    io.save(config, out / "config.json")
    remove_incomplete(out / "checkpoints")
    for folder in [*out.glob("model.new"), *out.glob(".model*")]:
        shutil.rmtree(folder, ignore_errors=True)
    for file in out.rglob(".*.part"):
        file.unlink(missing_ok=True)


def differences(saved: TrainConfig, current: TrainConfig) -> list[str]:
    """`field: saved -> current` for each field that makes it another run."""
    old, new = _flat(io.to_dict(saved)), _flat(io.to_dict(current))
    return [
        f"{name}: {old.get(name)} -> {new.get(name)}"
        for name in {**old, **new}
        if old.get(name) != new.get(name) and name not in MAY_DIFFER
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
