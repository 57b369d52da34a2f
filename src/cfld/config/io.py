"""Configurations as JSON."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from cfld.files import save_json
from cfld.readers.text import load_json

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """Converts a configuration to plain JSON values: tuples become lists, paths become strings."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return plain


def from_dict(kind: type[T], values: Mapping[str, Any]) -> T:
    """Inverts `to_dict`; absent fields keep their defaults. Where `kind` has subclasses, the field `name` says which.

    Raises:
        ValueError: naming fields, or a subclass, that do not exist.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{kind.__name__} must be an object, got {str(values)[:40]!r}")
    if variants := {variant.name: variant for variant in kind.__subclasses__()}:  # type: ignore[attr-defined]
        if values.get("name") not in variants:
            raise ValueError(f"the name of a {kind.__name__} is {', '.join(variants)}, got {values.get('name')!r}")
        kind = variants[values["name"]]
    fields = typing.get_type_hints(kind)
    if unknown := sorted(set(values) - set(fields)):
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}; it has {', '.join(fields)}")
    return kind(**{name: _revive(fields[name], value) for name, value in values.items()})


def save(config: Any, path: str | Path) -> None:
    save_json(to_dict(config), path)


def load(kind: type[T], path: str | Path) -> T:
    """Reads what `save` wrote.

    Raises:
        ValueError: naming the file, when it does not hold such a configuration.
    """
    values = load_json(path)
    try:
        return from_dict(kind, values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a {kind.__name__} ({error})") from None


def _revive(kind: Any, value: Any) -> Any:
    """Converts a plain JSON value to the annotated type: nested configurations, tuples, paths, each also optional."""
    if value is None:
        return None
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        (kind,) = (option for option in typing.get_args(kind) if option is not type(None))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return from_dict(kind, value)
    if typing.get_origin(kind) is tuple:
        return tuple(_revive(typing.get_args(kind)[0], item) for item in value)
    return Path(value) if kind is Path else value
