"""The run's folder belongs to one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cfld.config import io
from cfld.config.schema import TrainConfig

MAY_DIFFER: Final = (
    "max_steps",
    "epochs",
    "checkpoint_every",
    "log_every",
    "log_with",
    "image_every",
    "image_count",
    "data.workers",
    "data.keep",
)
"""Fields that a run may go on with another value of: how long it is, what it shows on the way, and what it may use."""


def claim_folder(out: Path, config: TrainConfig, write: bool = True) -> None:
    """Checks that `out` holds nothing, or a run with this configuration, and writes `out/config.json`.

    Args:
        write: False checks only, for the processes beside the main one.

    Raises:
        ValueError: naming the fields that differ and what to do.
    """
    file = out / "config.json"
    if file.is_file():
        if differing := differences(io.load(TrainConfig, file), config):
            raise ValueError(
                f"{out} holds another run ({', '.join(differing)}); choose another --out, or repeat its configuration"
            )
    elif (out / "model").exists() or (out / "checkpoints").exists():
        raise ValueError(f"{out} holds a model but no config.json, so it is no run to go on with; choose another --out")
    if write:
        out.mkdir(parents=True, exist_ok=True)
        io.save(config, file)


def differences(there: TrainConfig, asked: TrainConfig) -> list[str]:
    """`field: there -> asked` for each field that makes it another run."""
    old, new = _flat(io.to_dict(there)), _flat(io.to_dict(asked))
    return [f"{name}: {old[name]} -> {new[name]}" for name in new if old[name] != new[name] and name not in MAY_DIFFER]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
