"""Configurations as JSON."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from cfld.files import save_json
from cfld.ranges import check_ranges
from cfld.readers.text import load_json

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """Converts a configuration to plain JSON values: tuples become lists, paths become strings."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return plain


def from_dict(kind: type[T], values: Mapping[str, Any]) -> T:
    """Inverts `to_dict`; absent fields keep their defaults. Where `kind` has subclasses, the field `name` says which.

    Raises:
        ValueError: naming fields, or a subclass, that do not exist, and values of another type or out of range.
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
    config = kind(**{name: _revive(fields[name], value, name) for name, value in values.items()})
    check_ranges(config)
    return config


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


def _revive(kind: Any, value: Any, name: str) -> Any:
    """Converts a plain JSON value to the annotated type: nested configurations, tuples, paths, each also optional."""
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in options:
            return None
        (kind,) = (option for option in options if option is not type(None))
        return _revive(kind, value, name)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return from_dict(kind, value)
    if origin is tuple and isinstance(value, list):
        kinds = options[:1] * len(value) if options[-1] is ... else options
        if len(kinds) == len(value):
            return tuple(_revive(one, item, name) for one, item in zip(kinds, value, strict=True))
    if origin is dict and isinstance(value, dict):
        return {key: _revive(options[1], item, name) for key, item in value.items()}
    if (origin is typing.Literal and value in options) or type(value) in _JSON_TYPES.get(kind, ()):
        return Path(value) if kind is Path else value
    expected = f"one of {', '.join(map(str, options))}" if origin is typing.Literal else getattr(kind, "__name__", kind)
    raise ValueError(f"{name} must be {expected}, got {str(value)[:40]!r}")


_JSON_TYPES: Final[dict[Any, tuple[type, ...]]] = {
    bool: (bool,),
    float: (float, int),
    int: (int,),
    Path: (str,),
    str: (str,),
}
"""Annotated type -> types of the JSON values that it is made from."""
