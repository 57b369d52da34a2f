"""Configurations as JSON, and files and folders that are either whole or not there."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from cfld.files import load_json, save_json

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration as plain JSON values: tuples become lists, paths become strings."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return plain


def from_dict(kind: type[T], values: Mapping[str, Any]) -> T:
    """The inverse of `to_dict`; fields that are not given keep their defaults.

    Raises:
        ValueError: naming fields that `kind` does not have.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{kind.__name__} is read from fields by name, got {str(values)[:40]!r}")
    fields = typing.get_type_hints(kind)
    if unknown := sorted(set(values) - set(fields)):
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}; it has {', '.join(fields)}")
    return kind(**{name: _revive(fields[name], value) for name, value in values.items()})


def save(config: Any, path: str | Path) -> None:
    save_json(to_dict(config), path)


def load(kind: type[T], path: str | Path) -> T:
    """Reads what `save` wrote.

    Raises:
        ValueError: naming the file, when it is no such configuration.
    """
    values = load_json(path)
    try:
        return from_dict(kind, values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a {kind.__name__} ({error})") from None


def _revive(kind: Any, value: Any) -> Any:
    """A plain JSON value as the annotated type: nested configurations, tuples, paths and their optional forms."""
    if value is None:
        return None
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        (kind,) = (option for option in typing.get_args(kind) if option is not type(None))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return from_dict(kind, value)
    if typing.get_origin(kind) is tuple:
        return tuple(value)
    return Path(value) if kind is Path else value
